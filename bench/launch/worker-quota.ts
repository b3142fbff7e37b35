import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf, type PinnedProcess } from "../process.ts";
import { MissingPeer } from "./peer.ts";

/**
 * What each worker may use of a core. With a quota a worker is at its limit while the machine is not: on two cores that
 * also have the load and the backend, nothing else shows what one more worker adds.
 */
export const coreShare = 0.3;
/** Short, so that a worker that has used its quota up pauses shortly. */
const periodMicros = 10_000;
const pollIntervalMs = 2;

/**
 * Gives each worker of a program a core in turn, and its quota of it, with all its threads and the processes that it
 * starts.
 *
 * @param workers - ids of their processes
 * @returns the program; once it has ended, the control groups are removed
 * @throws MissingPeer if this machine has no control groups that may be changed
 */
export async function limitWorkers(
  program: PinnedProcess,
  workers: readonly number[],
): Promise<PinnedProcess> {
  const groups: string[] = [];
  const release = async () => {
    await program[Symbol.asyncDispose]();
    for (const group of groups) rmdirSync(group);
  };
  try {
    for (const [core, pid] of workers.entries()) {
      // As on a machine that is used by workers alone, none shares the caches of its core with another.
      execFileSync("taskset", [
        "--all-tasks",
        "-p",
        "-c",
        String(core % availableParallelism()),
        String(pid),
      ]);
      const group = createQuota();
      groups.push(group);
      writeFileSync(join(group, "cgroup.procs"), String(pid));
    }
  } catch (error) {
    await release();
    throw new MissingPeer(`no control group can be made here: ${error}`);
  }
  return { ...program, [Symbol.asyncDispose]: release };
}

/** Resolves to the children of a program when it has started that many. */
export async function childrenWhenThere(pid: number, count: number): Promise<readonly number[]> {
  while (childrenOf(pid).length < count) await sleep(pollIntervalMs);
  return childrenOf(pid);
}

/** @returns the folder of a new control group, of either version of the kernel's interface */
function createQuota(): string {
  const quotaMicros = periodMicros * coreShare;
  const first = "/sys/fs/cgroup/cpu";
  if (existsSync(first)) {
    const group = mkdtempSync(join(first, "tensorgate-bench-"));
    writeFileSync(join(group, "cpu.cfs_period_us"), String(periodMicros));
    writeFileSync(join(group, "cpu.cfs_quota_us"), String(quotaMicros));
    return group;
  }
  const second = "/sys/fs/cgroup";
  const control = join(second, "cgroup.subtree_control");
  if (!readFileSync(control, "utf8").split(/\s/).includes("cpu")) writeFileSync(control, "+cpu");
  const group = mkdtempSync(join(second, "tensorgate-bench-"));
  writeFileSync(join(group, "cpu.max"), `${quotaMicros} ${periodMicros}`);
  return group;
}
