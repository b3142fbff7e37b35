import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

/** Where figures come from, and of what they are. */
export function machineFacts() {
  return {
    date: new Date().toISOString(),
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
    node: process.version,
    cpu: cpus()[0]?.model ?? "",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
  };
}
