import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";

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

/** Processes that want a core, on average over a minute: more than the benchmark's two disturb it. */
export function loadAverage(): number {
  return Number((loadavg()[0] ?? 0).toFixed(2));
}

/** Versions of the programs that take part, by name; of those that are here. */
export function toolVersions(): Readonly<Record<string, string>> {
  const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
    h2load: ["h2load", "--version"],
    nginx: ["nginx", "-v"],
    cc: ["cc", "--version"],
    go: ["go", "version"],
    python: ["python3", "--version"],
  };
  const versions = Object.entries(commands).flatMap(([name, [program, ...args]]) => {
    const version = firstVersionIn(program, args);
    return version === undefined ? [] : [[name, version] as const];
  });
  return Object.fromEntries(versions);
}

function firstVersionIn(program: string, args: readonly string[]): string | undefined {
  try {
    // nginx prints its version to the standard error.
    const command = `${[program, ...args].join(" ")} 2>&1`;
    return /\d+(\.\d+)+/.exec(execFileSync("sh", ["-c", command], { encoding: "utf8" }))?.[0];
  } catch {
    return undefined;
  }
}
