import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { printedPort } from "./printed-port.ts";

/** A script of this folder in its own process; disposing of it ends it. */
export interface ScriptProcess extends AsyncDisposable {
  /** What it printed as its port. */
  readonly port: number;
  signal(name: NodeJS.Signals): void;
  /** Most resident memory so far, by Linux's account, in bytes. */
  peakBytes(): number;
}

/** Resolves when the script prints `port N`. */
export async function startScript(name: string, args: readonly string[]): Promise<ScriptProcess> {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=@tensorgate/source", script, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await printedPort(child);
  return {
    port,
    signal: (signal) => void child.kill(signal),
    peakBytes: () => {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
