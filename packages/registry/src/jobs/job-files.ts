import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { listedNames } from "@tensorgate/core";
import { documentText, openDocument, unlessMissing } from "../document.ts";
import { publishFolder } from "../file-changes.ts";
import { type ModelFolder, modelNamesIn, openModelFolder, versionsOf } from "../model-folder.ts";
import { type RegistryContext, timeText } from "../registry-context.ts";
import { RegistryError } from "../registry-error.ts";
import { type Job, type JobRecord, jobSchema } from "./job.ts";

/** The files of one job: `.jobs/<number>/job.json` in the folder of its version. */
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

/** The version that a job works on. */
export interface JobPlace {
  readonly folder: ModelFolder;
  readonly version: bigint;
}

const jobsFolder = ".jobs";
const cancelFile = "cancel";

/**
 * Creates a job. Of two processes that begin at the same time one succeeds.
 *
 * @throws RegistryError `conflict` while another job of the version is running
 */
export async function beginJob(
  context: RegistryContext,
  place: JobPlace,
  kind: string,
): Promise<JobFiles> {
  const { changes } = context;
  const jobs = join(await place.folder.versionPath(place.version), jobsFolder);
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
      processId: process.pid,
      host: hostname(),
    };
    const unfinished = join(jobs, `.${record.id}`);
    await changes.makeFolder(unfinished);
    await changes.write(join(unfinished, "job.json"), documentText({ revision: 1, ...record }));
    const folder = join(jobs, String(last + 1));
    if (await publishFolder(changes, unfinished, folder)) {
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

/** Returns the name of a log in the folder of the version. */
const logName = (kind: string) => (kind === "convert" ? "conversion.log" : `${kind}.log`);

function openJob(
  context: RegistryContext,
  place: JobPlace,
  { path, kind = "convert" }: JobFolder,
): JobFiles {
  const { changes } = context;
  const { folder, version } = place;
  const document = openDocument(join(path, "job.json"), jobSchema, changes);
  const logOf = (of: string) => join(path, "..", "..", logName(of));
  const view = (record: JobRecord | undefined): Job => {
    if (!record) throw new RegistryError("file", `${path} has no job.json`);
    const { processId, host, ...job } = isLost(record) ? lost(record) : record;
    return { ...job, reference: `${folder.name}@${version}`, log: logOf(job.kind) };
  };
  return {
    logFile: logOf(kind),
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

/** Lists the jobs of all models, the last one of each version first. */
export async function allJobs(context: RegistryContext): Promise<readonly JobFiles[]> {
  const found: JobFiles[] = [];
  for (const name of await modelNamesIn(context.root)) {
    const folder = openModelFolder(context.root, name, context.changes);
    for (const version of await versionsOf(folder, await folder.record.read())) {
      const jobs = join(await folder.versionPath(version), jobsFolder);
      for (const number of await jobNumbers(jobs)) {
        found.push(openJob(context, { folder, version }, { path: join(jobs, String(number)) }));
      }
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
