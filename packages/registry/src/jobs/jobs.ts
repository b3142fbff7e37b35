import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Clock } from "@tensorgate/core";
import { unlessMissing } from "../document.ts";
import type { VersionReference } from "../reference.ts";
import { addVersionFiles } from "../register-version.ts";
import { type RegistryContext, type RegistryDeps, systemDeps } from "../registry-context.ts";
import { resolveVersion } from "../resolve-version.ts";
import { systemClock } from "../system-clock.ts";
import type { Job } from "./job.ts";
import { allJobs, findJob, removeJobs } from "./job-files.ts";
import { type ServiceName, servicePlace, versionPlace } from "./job-place.ts";
import { createLocalWorker, type LocalWork } from "./local-worker.ts";
import { type JobTarget, jobLimitDefaults, type RunJobOptions, runJob } from "./run-job.ts";
import { createWorkerStarter, type StartWorker } from "./worker-process.ts";

/** The jobs of a registry. */
export interface Jobs {
  /**
   * Runs a job on a version in its own process, and puts what it made into the version.
   *
   * @returns the job when it has ended: `done`, `failed` or `cancelled`
   * @throws RegistryError if there is no such version, or another job of it is running
   */
  run(reference: VersionReference, options: RunJobOptions & { readonly script: URL }): Promise<Job>;
  /** Runs a job on a version in this process, for work that needs its credentials and reads only what is trusted. */
  runHere(
    reference: VersionReference,
    options: Omit<RunJobOptions, "options"> & { readonly work: LocalWork },
  ): Promise<Job>;
  /**
   * Runs a job on a service in this process. The last 20 jobs of a service are kept, each with its log.
   *
   * @throws RegistryError if another job of the service is running
   */
  runForService(
    service: ServiceName,
    options: Omit<RunJobOptions, "options"> & { readonly work: LocalWork },
  ): Promise<Job>;
  /** Removes the records and logs of a service. @throws RegistryError while a job of it is running */
  forgetService(service: ServiceName): Promise<void>;
  list(): Promise<readonly Job[]>;
  /** @param id - or the beginning of one @throws RegistryError `not-found` */
  get(id: string): Promise<Job>;
  /** Returns the log so far. @throws RegistryError `not-found` */
  log(id: string): Promise<string>;
  /** Waits until a job has ended. @throws RegistryError `not-found` */
  wait(id: string): Promise<Job>;
  /** Ends a job, and waits for its end. One that has ended stays as it is. */
  cancel(id: string): Promise<Job>;
}

export interface JobsDeps extends RegistryDeps {
  readonly clock: Clock;
  readonly createStarter: (script: URL, maxMemoryBytes: number) => StartWorker;
}

/** Time between two looks at a job that another process runs. */
const waitIntervalMs = 200;

export function openJobs(directory: string, deps: Partial<JobsDeps> = {}): Jobs {
  const { clock = systemClock, createStarter = createWorkerStarter, ...rest } = deps;
  const context: RegistryContext = { root: resolve(directory), ...systemDeps, ...rest };

  const sleep = () =>
    new Promise<void>((wake) => {
      // A timer of a clock does not keep the process alive, and nothing else may do so here.
      const alive = setInterval(() => {}, waitIntervalMs);
      clock.setTimer(waitIntervalMs, () => {
        clearInterval(alive);
        wake();
      });
    });

  const wait = async (id: string): Promise<Job> => {
    const files = await findJob(context, id);
    for (;;) {
      const job = await files.read();
      if (job.state !== "running") return job;
      await sleep();
    }
  };

  const runLocally: (
    target: JobTarget,
    options: Omit<RunJobOptions, "options"> & { readonly work: LocalWork },
  ) => Promise<Job> = (target, { work, ...options }) =>
    runJob(context, target, {
      ...options,
      options: undefined,
      clock,
      startWorker: createLocalWorker(work),
    });

  return {
    run: async (reference, { script, ...options }) => {
      const { maxMemoryBytes } = { ...jobLimitDefaults, ...options.limits };
      const startWorker = createStarter(script, maxMemoryBytes);
      return runJob(context, await versionTarget(context, reference), {
        ...options,
        clock,
        startWorker,
      });
    },
    runHere: async (reference, options) =>
      runLocally(await versionTarget(context, reference), options),
    runForService: async (service, options) => {
      const place = servicePlace(context, service);
      // It makes nothing that the registry keeps.
      return runLocally({ place, folder: context.root, keep: async () => {} }, options);
    },
    forgetService: async (service) => removeJobs(context, servicePlace(context, service)),
    list: async () => Promise.all((await allJobs(context)).map((job) => job.read())),
    get: async (id) => (await findJob(context, id)).read(),
    log: async (id) => {
      const { log } = await (await findJob(context, id)).read();
      return readFile(log, "utf8").catch(unlessMissing(""));
    },
    wait,
    cancel: async (id) => {
      const files = await findJob(context, id);
      if ((await files.read()).state === "running") await files.requestCancel();
      return wait(id);
    },
  };
}

async function versionTarget(
  context: RegistryContext,
  reference: VersionReference,
): Promise<JobTarget> {
  const resolved = await resolveVersion(context, reference);
  return {
    place: await versionPlace(resolved),
    folder: await resolved.folder.versionPath(resolved.version),
    keep: (files) => addVersionFiles(context, resolved, { files }),
  };
}
