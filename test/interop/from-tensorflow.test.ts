import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandProcess, tensorgate } from "../support/command-process.ts";
import { runInProcess } from "../support/in-process-command.ts";
import { hasPeers, runPeer, setUpPeer } from "../support/peers.ts";

// docs/tutorials/from-tensorflow.md as it is printed, on the article's graph, beside what TensorFlow answers.

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(`${root}/docs/tutorials/from-tensorflow.md`, "utf8");
const peersHome = process.env["PEERS_HOME"] ?? join(homedir(), ".cache", "tensorgate-peers");
const graphs = join(peersHome, "tensorflow-graphs", "graphs");
const graph = join(graphs, "article_tf1");

const reason = hasPeers
  ? await setUpPeer("tensorflow-graphs/setup.sh", [])
  : "../shared/peers is not there";

/** The command of the page that begins so, as words. */
function command(beginning: string): readonly string[] {
  const line = page.split("\n").find((each) => each.startsWith(`tensorgate ${beginning}`)) ?? "";
  const words = line.match(/"[^"]*"|\S+/g) ?? [];
  return words.slice(1).map((word) => word.replaceAll('"', ""));
}

describe.skipIf(reason !== undefined)(
  `the tutorial${reason ? ` (skipped: ${reason})` : ""}`,
  () => {
    // In the repository, where the snippet finds the client.
    const folder = mkdtempSync(`${root}/.tutorial-`);
    const running: CommandProcess[] = [];
    let oracle: { readonly probabilities: Float32Array; readonly best: number };

    beforeAll(async () => {
      const made = await runPeer("tensorflow-graphs/make.sh", [graphs, "article_tf1"]);
      expect(made).toMatchObject({ code: 0 });
      mkdirSync(join(folder, "models"));
      const { cases } = JSON.parse(readFileSync(join(graph, "oracle.json"), "utf8"));
      const [first] = cases;
      copyFileSync(join(graph, first.picture), join(folder, "snowleopardgaze.jpg"));
      const bytes = readFileSync(join(graph, first.outputs.output_alias.file));
      const probabilities = new Float32Array(new Uint8Array(bytes).buffer);
      oracle = { probabilities, best: probabilities.indexOf(Math.max(...probabilities)) };
      const labels = Array.from(probabilities, (_, index) => `class ${index}`);
      writeFileSync(join(folder, "labels.txt"), labels.join("\n"));
      process.env["TENSORGATE_REGISTRY"] = join(folder, "registry");
    }, 900_000);
    afterAll(async () => {
      delete process.env["TENSORGATE_REGISTRY"];
      for (const { child } of running) {
        if (child.exitCode !== null) continue;
        child.kill();
        await once(child, "exit");
      }
      rmSync(folder, { recursive: true });
    });

    /** Runs a command of the page, with the paths of this machine. */
    async function ran(beginning: string): Promise<string> {
      const words = command(beginning).map((word) =>
        word
          .replace("~/models/resnet50", join(graph, "1"))
          .replace(/^labels\.txt$/, join(folder, word)),
      );
      const { code, stdout, stderr } = await runInProcess(words);
      expect([code, stderr]).toEqual([0, ""]);
      return stdout;
    }

    async function served(words: readonly string[]): Promise<RegExpExecArray> {
      const process_ = tensorgate(
        words.map((word) =>
          word.replace("./registry", join(folder, "registry")).replace(/^(8500|8080)$/, "0"),
        ),
      );
      running.push(process_);
      return process_.said.matching(/ready: (?:gRPC at )?(\S+)/);
    }

    test("registers, converts, serves and classifies, and the answers are TensorFlow's", async () => {
      expect(await ran("registry register")).toMatch(
        /^registered resnet50@1: SavedModel of TensorFlow [\d.]+, \d+ MB, signature serving_default images → output_alias\n$/,
      );
      const converted = await ran("registry convert");
      expect(converted).toContain(
        "images: decode, shorter side 256, middle 224×224, minus 123.68 116.779 103.939 (found in the graph, equal on 4 images)",
      );
      expect(converted).toMatch(/187 nodes, .* checked by ONNX Runtime; job [0-9a-f]{8} done in/);
      await ran("registry alias");

      const [, address = ""] = await served(command("model-server"));
      const [snippet = ""] = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, text]) => text);
      const file = join(folder, "snippet.ts");
      const [, port = ""] = address.split(":");
      writeFileSync(
        file,
        snippet
          .replace("8500", port)
          .replace('"snowleopardgaze.jpg"', JSON.stringify(join(folder, "snowleopardgaze.jpg"))),
      );
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--conditions=@tensorgate/source", "scripts/run-example.ts", file],
        { cwd: root },
      );
      const [best, score] = stdout.trim().split(" ").map(Number);
      expect(best).toBe(oracle.best);
      // The gateway's JPEG decoder is not TensorFlow's.
      expect(Math.abs((score ?? 0) - (oracle.probabilities[oracle.best] ?? 0))).toBeLessThan(0.02);

      const [, url = ""] = await served(
        command("attach").map((word) => word.replace("127.0.0.1:8500", address)),
      );
      const response = await fetch(`${url}/v1/classify/resnet50`, {
        method: "POST",
        body: readFileSync(join(folder, "snowleopardgaze.jpg")),
      });
      const answer = await response.json();
      expect(answer.results[0].labels[0]).toMatchObject({
        index: oracle.best,
        label: `class ${oracle.best}`,
      });
    }, 300_000);
  },
);
