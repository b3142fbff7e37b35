import type { WorkerRequest } from "./worker-messages.ts";
import type { StartWorker } from "./worker-process.ts";

/** What work in this process may do beside its work. */
export interface LocalWorkReport {
  /** Begins the next step. */
  step(text: string): void;
  /** Writes a line into the log. */
  log(text: string): void;
  /** Aborts when the job is cancelled or takes too long. */
  readonly signal: AbortSignal;
}

/** Work of a job. @returns what it found @throws an Error whose message is for the user */
export type LocalWork = (request: WorkerRequest, report: LocalWorkReport) => Promise<unknown>;

/** Creates workers that run in this process, and so have no limit of memory. */
export function createLocalWorker(work: LocalWork): StartWorker {
  return (request, onMessage) => {
    const abort = new AbortController();
    const run = async () => {
      try {
        const result = await work(request, {
          step: (text) => onMessage({ kind: "step", text }),
          log: (text) => onMessage({ kind: "log", text }),
          signal: abort.signal,
        });
        onMessage({ kind: "done", files: [], result });
      } catch (thrown) {
        const message = thrown instanceof Error ? thrown.message : String(thrown);
        onMessage({ kind: "failed", message });
      }
      return "its end";
    };
    return { ended: run(), memoryBytes: () => undefined, kill: () => abort.abort() };
  };
}
