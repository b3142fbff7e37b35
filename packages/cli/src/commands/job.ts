import { type Job, type Jobs, openJobs } from "@tensorgate/registry";
import { CommandError } from "../command-error.ts";
import {
  type CommandResult,
  onRegistry,
  type RegistryOptions,
} from "../registry/registry-command.ts";
import { aligned } from "./list-models.ts";

const heading = ["job", "does", "of", "state", "step", "started", "by"];

/** Lists the jobs of a registry. */
export function runJobList(options: RegistryOptions): Promise<void> {
  return onJobs(options, async (jobs) => {
    const list = await jobs.list();
    const rows = list.map(({ id, kind, reference, state, step, startedAt, startedBy = "" }) => [
      ...[id, kind, reference, state],
      ...[state === "running" ? step : "", startedAt, startedBy],
    ]);
    const lines = list.length > 0 ? aligned([heading, ...rows]) : ["no jobs"];
    return { lines, values: list };
  });
}

/** Shows a job. */
export function runJobShow(id: string, options: RegistryOptions): Promise<void> {
  return onJobs(options, async (jobs) => resultOf(await jobs.get(id)));
}

/** Prints the log of a job. */
export function runJobLog(id: string, options: RegistryOptions): Promise<void> {
  return onJobs(options, async (jobs) => {
    const lines = (await jobs.log(id)).trimEnd().split("\n");
    return { lines, values: lines };
  });
}

/** Waits until a job has ended; the exit code is 1 unless it is done. */
export async function runJobWait(id: string, options: RegistryOptions): Promise<void> {
  let job: Job | undefined;
  await onJobs(options, async (jobs) => {
    job = await jobs.wait(id);
    return resultOf(job);
  });
  if (job && job.state !== "done") throw new CommandError(`job ${job.id} ${endOf(job)}`);
}

/** Ends a job. */
export function runJobCancel(id: string, options: RegistryOptions): Promise<void> {
  return onJobs(options, async (jobs) => resultOf(await jobs.cancel(id)));
}

function onJobs(
  options: RegistryOptions,
  run: (jobs: Jobs) => Promise<CommandResult>,
): Promise<void> {
  return onRegistry(options, ({ directory }) => run(openJobs(directory)));
}

function resultOf(job: Job): CommandResult {
  const { id, kind, reference, log } = job;
  return { lines: [`job ${id} (${kind} ${reference}) ${endOf(job)}, log ${log}`], values: [job] };
}

/** Says how far a job is, or how it ended. */
export function endOf({ state, step, error, startedAt, endedAt }: Job): string {
  switch (state) {
    case "running":
      return `is running: ${step}`;
    case "done": {
      const durationMs = Date.parse(endedAt ?? startedAt) - Date.parse(startedAt);
      return `done in ${(durationMs / 1_000).toFixed(1)} s`;
    }
    case "cancelled":
      return "was cancelled";
    case "failed":
      return `failed: ${error ?? "for an unknown reason"}`;
  }
}
