import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { listedNames } from "@tensorgate/core";
import { documentText, openDocument, unlessMissing } from "../document.ts";
import { publishFolder } from "../file-changes.ts";
import { type RegistryContext, timeText } from "../registry-context.ts";
import { RegistryError } from "../registry-error.ts";
import { type Job, type JobRecord, jobSchema } from "./job.ts";
import { type JobPlace, jobPlaces } from "./job-place.ts";

/** The files of one job: `job.json` in a numbered folder of what it works on. */
export interface JobFiles {
  readonly logFile: string;
  /** Folder for what it makes, which is removed when it ends. */
  readonly workFolder: string;
  read(): Promise<Job>;
  update(change: Partial<JobRecord>): Promise<Job>;
  /** Asks the process that supervises it to end it. */
  requestCancel(): Promise<void>;
  isCancelRequested(): boolean;
}

const cancelFile = "cancel";

/**
 * Creates a job. Of two processes that begin at the same time one succeeds. The oldest jobs of the place are removed where it
 * keeps only some.
 *
 * @throws RegistryError `conflict` while another job of the place is running
 */
export async function beginJob(
  context: RegistryContext,
  place: JobPlace,
  kind: string,
): Promise<JobFiles> {
  const { changes } = context;
  const jobs = place.jobsFolder;
  for (;;) {
    const numbers = await jobNumbers(jobs);
    const last = numbers[0] ?? 0;
    if (last > 0) await assertEnded(openJob(context, place, { path: join(jobs, String(last)) }));
    const record: JobRecord = {
      id: randomBytes(4).toString("hex"),
      kind,
      state: "running",
      step: "starting",
      startedAt: timeText(context),
      startedBy: `${userName()}@${hostname()}`,
      processId: process.pid,
      host: hostname(),
    };
    const unfinished = join(jobs, `.${record.id}`);
    await changes.makeFolder(unfinished);
    await changes.write(join(unfinished, "job.json"), documentText({ revision: 1, ...record }));
    const folder = join(jobs, String(last + 1));
    if (await publishFolder(changes, unfinished, folder)) {
      for (const old of numbers.slice(place.maxJobs - 1)) {
        await changes.remove(join(jobs, String(old)));
      }
      return openJob(context, place, { path: folder, kind });
    }
    await changes.remove(unfinished);
  }
}

async function assertEnded(job: JobFiles): Promise<void> {
  const { id, state, reference, kind } = await job.read();
  if (state !== "running") return;
  throw new RegistryError(
    "conflict",
    `job ${id} (${kind} ${reference}) is running; wait for it: tensorgate job wait ${id}`,
  );
}

/** A job whose kind is not known yet has it in its record. */
interface JobFolder {
  readonly path: string;
  readonly kind?: string;
}

/** Returns the name of the user; a container may run as a number without one. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "unknown");
  }
}

function openJob(
  context: RegistryContext,
  place: JobPlace,
  { path, kind = "convert" }: JobFolder,
): JobFiles {
  const { changes } = context;
  const document = openDocument(join(path, "job.json"), jobSchema, changes);
  const view = (record: JobRecord | undefined): Job => {
    if (!record) throw new RegistryError("file", `${path} has no job.json`);
    const { processId, host, ...job } = isLost(record) ? lost(record) : record;
    return { ...job, reference: place.reference, log: place.logFile(job.kind, path) };
  };
  return {
    logFile: place.logFile(kind, path),
    workFolder: join(path, "work"),
    read: async () => view(await document.read()),
    update: async (change) =>
      view(
        await document.update((record) => {
          if (record) return { ...record, ...change };
          throw new RegistryError("file", `${path} has no job.json`);
        }),
      ),
    requestCancel: () => changes.makeFolder(join(path, cancelFile)),
    isCancelRequested: () => existsSync(join(path, cancelFile)),
  };
}

/** A job whose process ended without a word, as after a power cut, runs no more. */
function isLost({ state, host, processId }: JobRecord): boolean {
  if (state !== "running" || host !== hostname()) return false;
  try {
    process.kill(processId, 0);
    return false;
  } catch (thrown) {
    // A process of another user may not be signalled, but is there.
    return (thrown as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function lost(record: JobRecord): JobRecord {
  return { ...record, state: "failed", error: "its process ended before it was done" };
}

async function jobNumbers(jobs: string): Promise<readonly number[]> {
  const names = await readdir(jobs).catch(unlessMissing([]));
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .toSorted((a, b) => b - a);
}

/** Lists the jobs of all versions and services, the last one of each first. */
export async function allJobs(context: RegistryContext): Promise<readonly JobFiles[]> {
  const found: JobFiles[] = [];
  for (const place of await jobPlaces(context)) {
    for (const number of await jobNumbers(place.jobsFolder)) {
      found.push(openJob(context, place, { path: join(place.jobsFolder, String(number)) }));
    }
  }
  return found;
}

/**
 * Finds a job by its id, or by the beginning of it.
 *
 * @throws RegistryError `not-found`
 */
export async function findJob(context: RegistryContext, id: string): Promise<JobFiles> {
  const ids: string[] = [];
  for (const job of await allJobs(context)) {
    const { id: each } = await job.read();
    if (id !== "" && each.startsWith(id)) return job;
    ids.push(each);
  }
  throw new RegistryError(
    "not-found",
    `no job "${id}" in ${context.root}; jobs: ${listedNames(ids)}`,
  );
}

/** Removes the records and logs of all jobs of a place. @throws RegistryError `conflict` while one is running */
export async function removeJobs(context: RegistryContext, place: JobPlace): Promise<void> {
  const [last] = await jobNumbers(place.jobsFolder);
  if (last === undefined) return;
  await assertEnded(openJob(context, place, { path: join(place.jobsFolder, String(last)) }));
  await context.changes.remove(place.jobsFolder);
  // Those of the namespace and of all services, unless they have others.
  const namespace = dirname(place.jobsFolder);
  await rmdir(namespace).catch(() => {});
  await rmdir(dirname(namespace)).catch(() => {});
}
