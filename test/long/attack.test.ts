import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { tensorgate } from "../support/command-process.ts";
import { samplePicture } from "../support/pictures.ts";

const key = (id: string) => `tg_${id}_${"s".repeat(43)}`;
const star = samplePicture("star");

/** The attacker has its own address where the system has more than one for loopback. */
const attackersAddress = process.platform === "linux" ? "127.0.0.2" : "127.0.0.1";

/** Most memory the gateway may take, whatever comes: twice what it may hold of requests, and itself. */
const maxPeakBytes = 1.25 * 2 ** 30;

/** Images of the good caller that must succeed, and how many it has under way at the same time. */
const imageCount = 200;
const concurrency = 4;

interface Forked extends Disposable {
  said(pattern: RegExp): Promise<RegExpExecArray>;
  readonly heard: () => string;
}

/** Starts a script of the folder `attack`; it ends when it is disposed of. */
function forked(name: string, args: readonly string[] = []): Forked {
  const child = fork(fileURLToPath(new URL(`attack/${name}`, import.meta.url)), [...args], {
    execArgv: ["--conditions=@tensorgate/source"],
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  let heard = "";
  const waiting = new Set<() => void>();
  const check = () => {
    for (const look of waiting) look();
  };
  child.once("exit", check);
  child.stdout?.on("data", (chunk: Buffer) => {
    heard += chunk.toString("utf8");
    check();
  });
  return {
    heard: () => heard,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(heard);
          if (match) resolve(match);
          else if (child.exitCode === null) return;
          else reject(new Error(`${name} ended, having said: ${heard}`));
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

function configOf(good: number, bad: number) {
  const entry = (id: string) => ({
    id,
    sha256: createHash("sha256").update(key(id)).digest("hex"),
    models: ["*"],
  });
  const output = { scores: { holds: "probabilities" } };
  const encoded = { tensor: "images", kind: "encoded-image" };
  const pixels = { tensor: "input", kind: "pixels", heightPx: 32, widthPx: 32 };
  return {
    region: "r",
    // Short, so that a stream that falls silent is ended within the test.
    listen: { port: 0, idleTimeoutMs: 4_000 },
    keys: [entry("good"), entry("attacker")],
    models: [
      { name: "m", input: encoded, output, labels: ["no", "yes"] },
      { name: "pixels", input: pixels, output, labels: ["no", "yes"] },
      { name: "wide", input: encoded, output },
    ],
    pools: [
      { model: "m", region: "r", replicas: [`127.0.0.1:${good}`, `127.0.0.1:${bad}`] },
      { model: "pixels", region: "r", replicas: [`127.0.0.1:${good}`] },
      { model: "wide", region: "r", replicas: [`127.0.0.1:${good}`] },
    ],
  };
}

test("while one caller and one replica attack in every way known, another caller's images all succeed", async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "tensorgate-attack-"));
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
  using replicas = forked("replicas-script.ts");
  const [, good, bad] = await replicas.said(/ports (\d+) (\d+)\n/);
  const file = path.join(folder, "gateway.json");
  writeFileSync(file, JSON.stringify(configOf(Number(good), Number(bad))));
  const { child, said } = tensorgate(["serve", "--config", file, "--admin-port", "0"], {
    ...process.env,
    TENSORGATE_LOG_LEVEL: "error",
  });
  using _gateway = { [Symbol.dispose]: () => void child.kill("SIGKILL") };
  const [, url = ""] = await said.matching(/ready: (http\S+)\n/);
  const peakBytes = () =>
    Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) *
    1_024;

  async function classify(model: string) {
    const response = await fetch(`${url}/v1/classify/${model}`, {
      method: "POST",
      headers: { "content-type": "image/jpeg", authorization: `Bearer ${key("good")}` },
      body: star,
    });
    const text = await response.text();
    return response.status === 200 && text.includes('"yes"') ? "ok" : `${response.status} ${text}`;
  }
  await expect.poll(() => classify("m"), { timeout: 20_000 }).toBe("ok");
  await expect.poll(() => classify("pixels"), { timeout: 20_000 }).toBe("ok");

  using attacker = forked("attacker-script.ts", [
    new URL(url).port,
    key("attacker"),
    attackersAddress,
  ]);
  let isRoundOver = false;
  const round = attacker.said(/round 1\n/).then(() => {
    isRoundOver = true;
  });
  const failures: string[] = [];
  let asked = 0;
  const caller = async (): Promise<void> => {
    while (
      (asked < imageCount || !isRoundOver) &&
      failures.length < 20 &&
      child.exitCode === null
    ) {
      asked += 1;
      const during = attacker.heard().trimEnd().split("\n").at(-1);
      const outcome = await classify(asked % 4 === 0 ? "pixels" : "m").catch(
        (thrown) => `${thrown} ${thrown.cause}`,
      );
      if (outcome !== "ok") failures.push(`during "${during}": ${outcome}`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));

  expect(failures, failures.join("\n")).toEqual([]);
  expect(child.exitCode).toBeNull();
  await round;
  attacker[Symbol.dispose]();
  expect(asked).toBeGreaterThanOrEqual(imageCount);
  expect(peakBytes()).toBeLessThan(maxPeakBytes);
  // The listener still accepts, and the drain ends.
  expect((await fetch(`${url}/livez`, { headers: { connection: "close" } })).status).toBe(200);
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  expect((await exited)[0]).toBe(0);
}, 300_000);
