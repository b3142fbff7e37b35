import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { WorkerMessage, WorkerRequest } from "./worker-messages.ts";

/** The process of a job, as its supervisor sees it. */
export interface JobWorker {
  /** Resolves to how it ended, as a text such as `signal SIGKILL`, when all that it said has been read. */
  readonly ended: Promise<string>;
  /** Bytes of memory that it has; undefined where the system does not say. */
  memoryBytes(): number | undefined;
  kill(): void;
}

export type StartWorker = (
  request: WorkerRequest,
  onMessage: (message: WorkerMessage) => void,
) => JobWorker;

/** Part of the memory of a job that its JavaScript objects may have; the rest is for tensors and the engine. */
const heapShare = 0.5;

/**
 * Creates processes that run a script. They get no environment, and so no secrets of ours, and their output is
 * dropped.
 *
 * @param script - reads a `WorkerRequest` and answers by IPC
 */
export function createWorkerStarter(script: URL, maxMemoryBytes: number): StartWorker {
  const isSource = script.pathname.endsWith(".ts");
  return (request, onMessage) => {
    const child = fork(fileURLToPath(script), [], {
      execArgv: [
        `--max-old-space-size=${Math.ceil((maxMemoryBytes * heapShare) / 2 ** 20)}`,
        ...(isSource ? ["--conditions=@tensorgate/source"] : []),
      ],
      env: {},
      // Ctrl-C reaches only its supervisor, which ends it.
      detached: true,
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    child.on("message", onMessage);
    child.send(request, () => {});
    return {
      ended: endOf(child),
      memoryBytes: () => residentBytes(child.pid),
      kill: () => void child.kill("SIGKILL"),
    };
  };
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let how: string | undefined;
    let isRead = false;
    const settle = () => {
      if (how !== undefined && isRead) resolve(how);
    };
    child.once("exit", (code, signal) => {
      how = signal ? `signal ${signal}` : `exit code ${code}`;
      settle();
    });
    child.once("disconnect", () => {
      isRead = true;
      settle();
    });
    child.once("error", (error) => resolve(error.message));
  });
}

/** @see proc(5), `VmRSS` */
function residentBytes(processId: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${processId}/status`, "latin1");
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib) * 1_024;
  } catch {
    return undefined;
  }
}
