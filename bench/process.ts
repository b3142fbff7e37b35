import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { printedPort } from "../test/support/printed-port.ts";

/** A process on a core of its own; disposing of it ends it. */
export interface PinnedProcess extends AsyncDisposable {
  /** What it printed as its port. */
  readonly port: number;
  /** Processor time of it and its children so far, in microseconds. */
  cpuMicros(): number;
  /** Its resident memory now, in bytes. */
  residentBytes(): number;
}

const clockTicksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Starts a script of this folder on one core; resolves when it prints its port. */
export async function startScript(
  script: string,
  args: readonly string[],
  core: number,
): Promise<PinnedProcess> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const command = [process.execPath, "--conditions=@tensorgate/source", file, ...args];
  const child = spawn("taskset", ["-c", String(core), ...command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return pinned(child, await printedPort(child));
}

export function pinned(child: ChildProcess, port: number): PinnedProcess {
  return {
    port,
    cpuMicros: () => cpuMicrosOf(child.pid ?? 0),
    residentBytes: () => residentBytesOf(child.pid ?? 0),
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** By Linux's account: user and system time of a process and of those it started. */
function cpuMicrosOf(pid: number): number {
  const own = statOf(pid);
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statOf(Number(name)))
    .filter((stat) => stat?.parent === pid);
  const ticks = [own, ...children].reduce((sum, stat) => sum + (stat?.ticks ?? 0), 0);
  return (ticks / clockTicksPerSecond) * 1e6;
}

function residentBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}

function statOf(pid: number): { readonly parent: number; readonly ticks: number } | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined;
  }
}
