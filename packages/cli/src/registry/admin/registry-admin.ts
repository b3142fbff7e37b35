import { realpath } from "node:fs/promises";
import { sep } from "node:path";
import {
  ForbiddenError,
  InvalidRequestError,
  NotSupportedError,
  type ScoringError,
  UnknownModelError,
  UnknownVersionError,
} from "@tensorgate/core";
import { testPicture } from "@tensorgate/gateway";
import {
  type Job,
  type Jobs,
  type ModelVersion,
  openJobs,
  openRegistry,
  parseReference,
  type RegisteredModel,
  type Registry,
} from "@tensorgate/registry";
import { importModelServer } from "../../import-model-server.ts";
import { inspectSource } from "../tensorflow-source.ts";
import { scoringErrorFrom } from "./admin-errors.ts";
import {
  aliasRequest,
  annotateRequest,
  convertRequest,
  registerRequest,
} from "./admin-requests.ts";

/** What operators do with a registry from outside of this process. Every method throws a `ScoringError` only. */
export interface RegistryAdmin {
  models(): Promise<readonly RegisteredModel[]>;
  model(name: string): Promise<RegisteredModel>;
  version(request: OfVersion): Promise<ModelVersion>;
  register(name: string, body: unknown): Promise<ModelVersion>;
  setAlias(request: OfAlias & WithBody): Promise<RegisteredModel>;
  deleteAlias(request: OfAlias): Promise<RegisteredModel>;
  tagModel(name: string, body: unknown): Promise<RegisteredModel>;
  tagVersion(request: OfVersion & WithBody): Promise<ModelVersion>;
  deleteVersion(request: OfVersion): Promise<{ readonly deleted: string }>;
  deleteModel(name: string): Promise<{ readonly deleted: string }>;
  /** Starts a conversion. It goes on without its caller; `job` tells how far it is. */
  convert(request: OfVersion & WithBody): Promise<Job>;
  jobs(): Promise<readonly Job[]>;
  job(id: string): Promise<Job>;
  jobLog(id: string): Promise<string>;
  /** Ends a job, and waits for its end. */
  cancelJob(id: string): Promise<Job>;
}

interface OfVersion {
  readonly name: string;
  /** A number, an alias, or `latest`. */
  readonly version: string;
}

interface OfAlias {
  readonly name: string;
  readonly alias: string;
}

interface WithBody {
  /** JSON of the caller. */
  readonly body: unknown;
}

export interface RegistryAdminOptions {
  /** Folder of the registry. */
  readonly directory: string;
  /** Folders below which a call may register from; none allows no registration. */
  readonly registerFrom: readonly string[];
  /** Called with a line for each change. */
  readonly log: (text: string) => void;
}

export function createRegistryAdmin({
  directory,
  registerFrom,
  log,
}: RegistryAdminOptions): RegistryAdmin {
  const registry = openRegistry(directory);
  const jobs = openJobs(directory);

  const ofVersion = async <Result>(
    { name, version: at }: OfVersion,
    run: (reference: string) => Promise<Result>,
  ): Promise<Result> => {
    await withReason(() => registry.model(name));
    const reference = at === "latest" ? name : `${name}@${at}`;
    return withReason(
      () => {
        parseReference(reference);
        return run(reference);
      },
      (message) => new UnknownVersionError(message),
    );
  };
  const ofJob = <Result>(run: (each: Jobs) => Promise<Result>): Promise<Result> =>
    withReason(
      () => run(jobs),
      (message) => new UnknownModelError(message),
    );
  const changed = <Result>(result: Result, text: string): Result => {
    log(`registry: ${text}`);
    return result;
  };

  return {
    models: () => withReason(() => registry.models()),
    model: (name) => withReason(() => registry.model(name)),
    version: (request) => ofVersion(request, (reference) => registry.version(reference)),
    register: (name, body) =>
      withReason(
        async () => {
          const { from, ...options } = registerRequest(body);
          const folder = await allowedSource(from, registerFrom);
          await assertReadable(folder);
          const made = await registry.register(name, { from: folder, ...given(options) });
          return changed(made, `registered ${name}@${made.version} from ${folder}`);
        },
        (message) => new InvalidRequestError(message, { field: "from" }),
      ),
    setAlias: async ({ name, alias, body }) => {
      const { version } = aliasRequest(body);
      const made = await ofVersion({ name, version: String(version) }, () =>
        registry.setAlias(name, alias, version),
      );
      return changed(made, `${name}@${alias} names version ${version}`);
    },
    deleteAlias: ({ name, alias }) =>
      ofVersion({ name, version: "latest" }, async () =>
        changed(await registry.removeAlias(name, alias), `${name}@${alias} is removed`),
      ),
    tagModel: (name, body) =>
      withReason(async () => registry.annotateModel(name, annotations(body))),
    tagVersion: ({ body, ...request }) =>
      ofVersion(request, async (reference) =>
        registry.annotateVersion(reference, annotations(body)),
      ),
    deleteVersion: (request) =>
      ofVersion(request, async (reference) => {
        const { name, version } = await registry.locate(reference);
        await registry.deleteVersion(`${name}@${version}`);
        return changed({ deleted: `${name}@${version}` }, `deleted ${name}@${version}`);
      }),
    deleteModel: (name) =>
      withReason(async () => {
        await registry.deleteModel(name);
        return changed({ deleted: name }, `deleted ${name}`);
      }),
    convert: ({ body, ...request }) =>
      ofVersion(request, (reference) => startConversion(registry, reference, { body, log })),
    jobs: () => ofJob((each) => each.list()),
    job: (id) => ofJob((each) => each.get(id)),
    jobLog: (id) => ofJob((each) => each.log(id)),
    cancelJob: (id) => ofJob((each) => each.cancel(id)),
  };
}

/** @throws ScoringError for whatever goes wrong */
async function withReason<Result>(
  run: () => Promise<Result>,
  missing?: (message: string) => ScoringError,
): Promise<Result> {
  try {
    return await run();
  } catch (thrown) {
    throw scoringErrorFrom(thrown, missing);
  }
}

function annotations(body: unknown) {
  const { description, tags = {}, removeTags = [] } = annotateRequest(body);
  const entries = Object.entries(tags).map(([key, value]) => [key, value ?? undefined] as const);
  const removed = removeTags.map((key) => [key, undefined] as const);
  return {
    ...(description !== undefined && { description }),
    tags: Object.fromEntries([...entries, ...removed]),
  };
}

/** Leaves out what is undefined. */
function given<Value extends object>(value: Value) {
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Value]?: Exclude<Value[Key], undefined> };
}

/** @throws ForbiddenError unless the path lies in a folder that the operator allows */
async function allowedSource(from: string, folders: readonly string[]): Promise<string> {
  if (folders.length === 0) {
    throw new ForbiddenError("no folder may be registered from; start with --register-from FOLDER");
  }
  const real = await realpath(from).catch(() => undefined);
  for (const folder of folders) {
    const root = await realpath(folder).catch(() => undefined);
    // What is not there is not told apart from what is elsewhere.
    if (real !== undefined && root !== undefined && `${real}${sep}`.startsWith(`${root}${sep}`)) {
      return real;
    }
  }
  throw new ForbiddenError(`${from} is not in a folder of --register-from: ${folders.join(", ")}`);
}

/** A SavedModel that cannot be read is not registered, as by the command. @throws InvalidRequestError */
async function assertReadable(from: string): Promise<void> {
  try {
    await inspectSource(from);
  } catch (thrown) {
    if (!(thrown instanceof Error) || thrown.name !== "SavedModelError") throw thrown;
    throw new InvalidRequestError(thrown.message, { field: "from" });
  }
}

/** @returns the job as it began; it ends by itself, or with this process */
async function startConversion(
  { directory }: Registry,
  reference: string,
  { body, log }: { readonly body: unknown; readonly log: (text: string) => void },
): Promise<Job> {
  const { maxNodes, maxMemoryBytes, maxDurationMs, ...options } = convertRequest(body);
  const { convertVersion } = await importModelServer().catch((cause: unknown) => {
    throw new NotSupportedError("conversions need @tensorgate/model-server; install it", { cause });
  });
  return new Promise((resolve, reject) => {
    const running = convertVersion(directory, reference, {
      ...options,
      limits: maxNodes === undefined ? undefined : { maxNodes },
      picture: testPicture,
      jobLimits: given({ maxMemoryBytes, maxDurationMs }),
      onJob: resolve,
    });
    running.then(
      ({ id, state, error }) => log(`job ${id} (convert ${reference}): ${error ?? state}`),
      reject,
    );
  });
}
