import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { printedPort } from "../test/support/printed-port.ts";

/** A process on its own core; disposing of it ends it. */
export interface PinnedProcess extends AsyncDisposable {
  readonly pid: number;
  /** What it printed as its port. */
  readonly port: number;
  /** Processor time of all threads of it and of its children so far, in microseconds. */
  cpuMicros(): number;
  /** Resident memory of it and its children now, in bytes. */
  residentBytes(): number;
}

export interface PinnedOptions {
  readonly core: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Where a script finds our packages: as they are shipped, or in their sources. */
export type PackageForm = "built" | "source";

/** @returns the command that runs a script of this folder */
export function nodeCommand(script: string, form: PackageForm): readonly string[] {
  if (form === "built") return [process.execPath, withoutTypes(pathOf(script))];
  return [process.execPath, "--conditions=@tensorgate/source", pathOf(script)];
}

/**
 * Writes a script as JavaScript beside it, as programs are shipped: a process that strips types itself has the stripper
 * in memory, which is 16 MiB and 60 ms of its start.
 *
 * @returns the path of the written script
 */
function withoutTypes(path: string): string {
  const written = join(dirname(path), `.${basename(path, ".ts")}.mjs`);
  writeFileSync(written, stripTypeScriptTypes(readFileSync(path, "utf8")));
  return written;
}

const pathOf = (script: string) => fileURLToPath(new URL(script, import.meta.url));

export interface SubjectScriptOptions {
  readonly core: number;
  /** Options of Node itself; none by default. */
  readonly nodeOptions?: readonly string[];
  /** Where a profile of it is written. */
  readonly profileFolder?: string | undefined;
}

/** Starts a script of this folder as it is measured: with our packages as they are shipped. */
export function startSubject(
  script: string,
  args: readonly string[],
  { core, nodeOptions = [], profileFolder }: SubjectScriptOptions,
): Promise<PinnedProcess> {
  const [node = "", ...rest] = nodeCommand(script, "built");
  const profiled = profileFolder === undefined ? [] : ["--import", pathOf("subjects/profile.ts")];
  const env = profileFolder === undefined ? {} : { PROFILE_FOLDER: profileFolder };
  return startPinned([node, ...nodeOptions, ...profiled, ...rest, ...args], { core, env });
}

/** Starts a script of this folder on one core; resolves when it prints its port. */
export function startScript(
  script: string,
  args: readonly string[],
  core: number,
): Promise<PinnedProcess> {
  return startPinned([...nodeCommand(script, "source"), ...args], { core });
}

/** Starts a command on one core; resolves when it prints its port. */
export async function startPinned(
  command: readonly string[],
  options: PinnedOptions,
): Promise<PinnedProcess> {
  const child = spawnPinned(command, options);
  return pinned(child, await printedPort(child));
}

export function spawnPinned(
  command: readonly string[],
  { core, env = {} }: PinnedOptions,
): ChildProcess {
  const child = spawn("taskset", ["-c", String(core), ...command], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  // A run that is interrupted disposes of nothing.
  const kill = () => child.kill();
  process.once("exit", kill);
  child.once("exit", () => process.removeListener("exit", kill));
  return child;
}

export function pinned(child: ChildProcess, port: number): PinnedProcess {
  // taskset has become the program that it started.
  const pid = child.pid ?? 0;
  const tree = () => processTree(pid);
  return {
    pid,
    port,
    cpuMicros: () => sum(tree().map(cpuMicrosOf)),
    residentBytes: () => sum(tree().map(residentBytesOf)),
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);

/** A process and all that descend from it. */
function processTree(pid: number): readonly number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)];
}

/** @returns the processes that a process has started and that run */
export function childrenOf(pid: number): readonly number[] {
  return threadsOf(pid).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number),
  );
}

/** By the scheduler's own account, which counts nanoseconds; `/proc/PID/stat` counts ticks of 10 ms. */
function cpuMicrosOf(pid: number): number {
  const nanoseconds = threadsOf(pid).map((thread) =>
    Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]),
  );
  return sum(nanoseconds) / 1_000;
}

function residentBytesOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1_024;
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** @returns nothing for a thread that has ended meanwhile */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
