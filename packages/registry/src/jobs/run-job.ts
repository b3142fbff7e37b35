import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, poll } from "@tensorgate/core";
import { fileError } from "../file-changes.ts";
import { type RegistryContext, timeText } from "../registry-context.ts";
import type { SourceFile } from "../version-files.ts";
import type { Job } from "./job.ts";
import { beginJob, type JobFiles } from "./job-files.ts";
import type { JobPlace } from "./job-place.ts";
import type { WorkerMessage } from "./worker-messages.ts";
import type { JobWorker, StartWorker } from "./worker-process.ts";

/** What a job may cost. */
export interface JobLimits {
  /**
   * Most time that it may take, in milliseconds.
   * @default 600_000
   */
  readonly maxDurationMs?: number;
  /**
   * Most memory of its process, in bytes.
   * @default 8_589_934_592
   */
  readonly maxMemoryBytes?: number;
}

export const jobLimitDefaults: Readonly<Required<JobLimits>> = {
  maxDurationMs: 600_000,
  maxMemoryBytes: 8 * 2 ** 30,
};

export interface RunJobOptions {
  /** What it does, such as `convert`. */
  readonly kind: string;
  /** Handed to its process. */
  readonly options: unknown;
  readonly limits?: JobLimits;
  /** Called when it begins, and whenever its step changes. */
  readonly onJob?: (job: Job) => void;
  /** Ends the job as cancelled. */
  readonly signal?: AbortSignal;
}

export interface RunJobDeps {
  readonly clock: Clock;
  readonly startWorker: StartWorker;
}

/** What a job works on, and what becomes of what it made. */
export interface JobTarget {
  readonly place: JobPlace;
  /** Folder that it reads. */
  readonly folder: string;
  /** Keeps the files that it made. */
  readonly keep: (files: readonly SourceFile[]) => Promise<unknown>;
}

/** Time between two looks at the memory of a job and at requests to cancel it. */
const watchIntervalMs = 200;

/**
 * Runs a job: with limits, a log, and a record that other processes read. What it made is kept when it is done, and only
 * then.
 *
 * @returns the job in its last state; it is not thrown that it failed
 * @throws RegistryError if another job of the target is running
 */
export async function runJob(
  context: RegistryContext,
  { place, folder, keep }: JobTarget,
  run: RunJobOptions & RunJobDeps,
): Promise<Job> {
  const job = await beginJob(context, place, run.kind);
  const { onJob = () => {} } = run;
  await writeFile(job.logFile, "");
  await mkdir(job.workFolder);
  const output = join(job.workFolder, "output");
  onJob(await job.read());
  try {
    const end = await supervised(job, {
      ...run,
      request: { folder, output, options: run.options },
    });
    if (end.kind === "done" && end.files.length > 0) {
      const files = end.files.map((path) => ({
        path,
        content: { kind: "file" as const, file: join(output, ...path.split("/")) },
      }));
      await keep(files);
    }
    return await ended(end);
  } catch (thrown) {
    const cause = fileError("cannot keep what the job made", thrown);
    return await ended({ kind: "failed", message: (cause as Error).message });
  } finally {
    await context.changes.remove(job.workFolder);
  }

  async function ended(end: JobEnd): Promise<Job> {
    const endedAt = timeText(context);
    switch (end.kind) {
      case "done":
        await logLine(job, "done");
        return job.update({ state: "done", step: "done", endedAt, result: end.result });
      case "cancelled":
        await logLine(job, "cancelled");
        return job.update({ state: "cancelled", endedAt });
      case "failed":
        await logLine(job, `failed: ${end.message}`);
        return job.update({ state: "failed", endedAt, error: end.message });
    }
  }
}

const logLine = ({ logFile }: JobFiles, text: string) => appendFile(logFile, `${text}\n`);

type JobEnd =
  | Extract<WorkerMessage, { readonly kind: "done" | "failed" }>
  | { readonly kind: "cancelled" };

interface Supervision extends RunJobOptions, RunJobDeps {
  readonly request: Parameters<StartWorker>[0];
}

/** Runs the process until it ends, or has to be ended. */
async function supervised(
  job: JobFiles,
  { request, startWorker, clock, signal, limits, onJob }: Supervision,
): Promise<JobEnd> {
  const { maxDurationMs, maxMemoryBytes } = { ...jobLimitDefaults, ...limits };
  let end: JobEnd | undefined;
  /** Writes are done one after the other, and before the job ends. */
  let written: Promise<unknown> = Promise.resolve();
  const inOrder = (write: () => Promise<unknown>) => {
    written = written.then(write);
  };
  const beginStep = async (step: string) => {
    await logLine(job, step);
    const changed = await job.update({ step });
    onJob?.(changed);
  };
  const onMessage = (message: WorkerMessage): void => {
    if (message.kind === "log") inOrder(() => logLine(job, message.text));
    else if (message.kind === "step") inOrder(() => beginStep(message.text));
    else end ??= message;
  };
  const worker: JobWorker = startWorker(request, onMessage);
  const stop = (because: JobEnd): void => {
    if (end) return;
    end = because;
    worker.kill();
  };
  const cancel = () => stop({ kind: "cancelled" });
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  using _timer = clock.setTimer(maxDurationMs, () =>
    stop({ kind: "failed", message: `it took longer than ${maxDurationMs / 1_000} s (--timeout)` }),
  );
  const look = async () => {
    if (job.isCancelRequested()) cancel();
    const bytes = worker.memoryBytes() ?? 0;
    if (bytes <= maxMemoryBytes) return;
    const limit = Math.round(maxMemoryBytes / 1e6);
    stop({ kind: "failed", message: `it needed more than ${limit} MB of memory (--memory)` });
  };
  using _watch = poll(look, { intervalMs: watchIntervalMs, clock });
  try {
    const how = await worker.ended;
    await written;
    return end ?? { kind: "failed", message: `its process ended with ${how} before it was done` };
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}
