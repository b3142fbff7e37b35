import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { hear } from "../../test/support/command-process.ts";
import { replicaAddress } from "../backend/start-backend.ts";
import { pinned, spawnPinned } from "../process.ts";
import type { Peer } from "./peer.ts";
import { nodeOptions } from "./tensorgate.ts";

const main = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));

/** The gateway as the command runs it: with its log, its metrics, the page, and a file that configures it. */
export const serve: Peer = {
  name: "tensorgate serve",
  warmUpRequests: 40_000,
  start: async ({ backend, core, folder }) => {
    const config = join(folder, "tensorgate.yaml");
    writeFileSync(config, configOf(replicaAddress(0, backend.port)));
    const args = ["serve", "--config", config, "--admin-port", "0"];
    const child = spawnPinned([process.execPath, ...nodeOptions, main, ...args], {
      core,
      env: { TENSORGATE_LOG_LEVEL: "warn" },
    });
    const [, port] = await hear(child).matching(/^ready: \S+:(\d+)$/m);
    await untilReady(`http://127.0.0.1:${port}/readyz`);
    return pinned(child, Number(port));
  },
};

/** How often it is asked whether its replica is available, in milliseconds. */
const intervalMs = 2;

async function untilReady(url: string): Promise<void> {
  while ((await fetch(url)).status !== 200) await setTimeout(intervalMs);
}

const configOf = (replica: string) => `
listen: { port: 0, drainDelayMs: 0 }
models:
  - name: bench
    input: { tensor: images, kind: encoded-image }
    output: { scores: { holds: probabilities } }
pools:
  - { model: bench, region: local, replicas: ["${replica}"] }
`;
