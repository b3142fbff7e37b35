import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A port that was free a moment ago: what is told by an output that nobody reads cannot be read. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

/** Standard output and standard error of a process, in a state in which nothing can be written. */
interface Unwritable {
  readonly name: string;
  open(): { readonly stdio: "pipe" | number; close(child: ChildProcess): void };
  /** Whether each write fails, rather than waits. */
  readonly fails: boolean;
}

const unwritable: readonly Unwritable[] = [
  {
    name: "a full disk",
    fails: true,
    open: () => {
      const stdio = openSync("/dev/full", "w");
      return { stdio, close: () => closeSync(stdio) };
    },
  },
  {
    name: "a pipe that nobody reads",
    fails: false,
    open: () => ({
      stdio: "pipe",
      close: ({ stdout, stderr }) => {
        stdout?.pause();
        stderr?.pause();
      },
    }),
  },
  {
    name: "a pipe that was closed",
    fails: true,
    open: () => ({
      stdio: "pipe",
      close: ({ stdout, stderr }) => {
        stdout?.destroy();
        stderr?.destroy();
      },
    }),
  },
];

interface LogState {
  readonly queuedBytes: number;
  readonly droppedCount: number;
  readonly failure?: string;
}

/** `tensorgate serve` whose outputs cannot be written, in front of one replica. */
async function startServe({ open }: Unwritable, format: "json" | "pretty") {
  const replica = await startFakeReplica({ answer: shapesOutputs });
  const [port, adminPort] = [await freePort(), await freePort()];
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-outputs-"));
  const file = join(folder, "tensorgate.yaml");
  writeFileSync(
    file,
    [
      "listen: { drainDelayMs: 0 }",
      "models: [{ name: m, input: { tensor: images, kind: encoded-image }, output: { scores: { holds: probabilities } } }]",
      `pools: [{ model: m, region: local, replicas: ["${replica.address}"] }]`,
    ].join("\n"),
  );
  const { stdio, close } = open();
  const args = ["--config", file, "--port", `${port}`, "--admin-port", `${adminPort}`];
  const child = spawn(
    process.execPath,
    ["--conditions=@tensorgate/source", "packages/cli/src/main.ts", "serve", ...args],
    {
      cwd: root,
      stdio: ["ignore", stdio, stdio],
      env: { ...process.env, TENSORGATE_LOG_FORMAT: format },
    },
  );
  close(child);
  const url = `http://127.0.0.1:${port}`;
  await expect
    .poll(() => fetch(`${url}/readyz`).then(({ status }) => status, String), { timeout: 20_000 })
    .toBe(200);
  return {
    child,
    classify: async () => {
      const body = samplePicture("star");
      const answer = await fetch(`${url}/v1/classify/m`, { method: "POST", body });
      await answer.arrayBuffer();
      return answer.status;
    },
    /** A call that is answered quickly, and makes a long record. */
    fillLog: async () => {
      const answer = await fetch(`${url}/v1/catalog/${"m".repeat(200)}`);
      await answer.arrayBuffer();
    },
    log: async () => {
      const status = await fetch(`http://127.0.0.1:${adminPort}/status`);
      return ((await status.json()) as { readonly log: LogState }).log;
    },
    metrics: async () => (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text(),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await replica[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Bytes of records that may wait. */
const maxQueuedBytes = 1_048_576;

describe.runIf(process.platform === "linux").each(unwritable)("with outputs on $name", (output) => {
  test.each(["json", "pretty"] as const)(
    "a gateway that logs %s answers and stops",
    async (format) => {
      await using serve = await startServe(output, format);
      const isEnough = ({ droppedCount }: LogState) => droppedCount > 100;
      let log = await serve.log();
      for (let round = 0; round < 200 && !isEnough(log); round += 1) {
        await Promise.all(Array.from({ length: 64 }, serve.fillLog));
        log = await serve.log();
      }

      expect(await serve.classify()).toBe(200);
      expect(isEnough(log)).toBe(true);
      expect(log.queuedBytes).toBeLessThanOrEqual(maxQueuedBytes);
      expect(log.failure !== undefined).toBe(output.fails);
      const metrics = await serve.metrics();
      expect(metrics).toMatch(/tensorgate_log_dropped_total [1-9]/);
      expect(metrics).toMatch(new RegExp(`tensorgate_log_failing ${output.fails ? 1 : 0}`));

      const ended = once(serve.child, "exit");
      serve.child.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
    },
    60_000,
  );
});
