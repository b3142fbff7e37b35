import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MissingPeer } from "../../bench/launch/peer.ts";
import { limitWorkers } from "../../bench/launch/worker-quota.ts";
import { startPinned } from "../../bench/process.ts";
import { works } from "../support/python.ts";

const hasTaskset = works("taskset", ["--version"]);
const script = "console.log('port 1'); setInterval(() => {}, 1_000);";

test.runIf(hasTaskset)(
  "a worker is in a control group with a quota until it has ended",
  async ({ skip }) => {
    const program = await startPinned([process.execPath, "-e", script], { core: 0 });
    const limited = await limitWorkers(program, [program.pid]).catch((error: unknown) => {
      if (error instanceof MissingPeer) return skip(error.message);
      throw error;
    });
    const [group = ""] =
      /\/tensorgate-bench-\w+/.exec(readFileSync(`/proc/${limited.pid}/cgroup`, "utf8")) ?? [];
    const folders = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"].map((root) => `${root}${group}`);

    expect(group).not.toBe("");
    expect(folders.some((folder) => existsSync(folder))).toBe(true);
    await limited[Symbol.asyncDispose]();
    expect(folders.some((folder) => existsSync(folder))).toBe(false);
  },
);
