import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { hear } from "../../test/support/command-process.ts";
import { replicaAddress } from "../backend/start-backend.ts";
import { type PinnedProcess, pinned, spawnPinned } from "../process.ts";
import type { LaunchContext, Peer } from "./peer.ts";
import { nodeOptions } from "./tensorgate.ts";
import { childrenWhenThere, limitWorkers } from "./worker-quota.ts";

const main = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));

const warmUpRequests = 40_000;

/** The gateway as the command runs it: with its log, its metrics, the page, and a file that configures it. */
export const serve: Peer = {
  name: "tensorgate serve",
  warmUpRequests,
  start: (context) => startServe(context, []),
};

/** The same as processes that share the port, each of which has `coreShare` of a core. */
export function serveByWorkers(count: number): Peer {
  return {
    name: serve.name,
    warmUpRequests: warmUpRequests * count,
    start: async (context) => {
      const program = await startServe(context, ["--workers", String(count)]);
      // One worker is the program itself.
      const workers = count === 1 ? [program.pid] : await childrenWhenThere(program.pid, count);
      return limitWorkers(program, workers);
    },
  };
}

async function startServe(
  { backend, core, folder }: LaunchContext,
  options: readonly string[],
): Promise<PinnedProcess> {
  const config = join(folder, "tensorgate.yaml");
  writeFileSync(config, configOf(replicaAddress(0, backend.port)));
  const args = ["serve", "--config", config, "--admin-port", "0", ...options];
  const child = spawnPinned([process.execPath, ...nodeOptions, main, ...args], {
    core,
    env: { TENSORGATE_LOG_LEVEL: "warn" },
  });
  const [, port] = await hear(child).matching(/^ready: \S+:(\d+)\b/m);
  await untilReady(`http://127.0.0.1:${port}/readyz`);
  return pinned(child, Number(port));
}

/** How often it is asked whether its replica is available, in milliseconds. */
const intervalMs = 2;

async function untilReady(url: string): Promise<void> {
  while ((await fetch(url)).status !== 200) await setTimeout(intervalMs);
}

const configOf = (replica: string) => `
listen: { port: 0, drainDelayMs: 0, maxConnectionsPerAddress: 4096 }
models:
  - name: bench
    input: { tensor: images, kind: encoded-image }
    output: { scores: { holds: probabilities } }
    labels: [${Array.from({ length: 1_000 }, (_, index) => `label ${index}`).join(", ")}]
pools:
  - { model: bench, region: local, replicas: ["${replica}"] }
`;
