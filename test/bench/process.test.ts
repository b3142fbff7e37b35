import { expect, test } from "vitest";
import { startPinned } from "../../bench/process.ts";
import { works } from "../support/python.ts";

/** Uses processor time in a thread, then in a child, and lives on. */
const script = `
const { Worker } = require("node:worker_threads");
const { spawn } = require("node:child_process");
const burn = "const until = 60_000; while (process.cpuUsage().user < until);";
new Worker(burn + "setInterval(() => {}, 1_000);", { eval: true });
const child = spawn(process.execPath, ["-e", burn + "console.log('burnt'); setInterval(() => {}, 1_000)"]);
child.stdout.once("data", () => console.log("port 1"));
process.once("SIGTERM", () => { child.kill(); process.exit(); });
`;

const hasTaskset = works("taskset", ["--version"]);

test.runIf(hasTaskset)(
  "processor time and memory include those of threads and of children",
  async () => {
    await using parent = await startPinned([process.execPath, "-e", script], { core: 0 });

    expect(parent.cpuMicros()).toBeGreaterThan(100_000);
    // Two processes of Node.
    expect(parent.residentBytes()).toBeGreaterThan(60 * 2 ** 20);
  },
);
