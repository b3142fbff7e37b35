import type { Clock } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import type { Servable } from "../servable.ts";
import type { ConcurrencyLimiter } from "./concurrency.ts";
import { type CountedServable, countInFlight } from "./in-flight.ts";
import { failureFrom, type LoadFailure } from "./load-failure.ts";
import type { Loadable, WantedModel } from "./loadable.ts";
import type { PlanReload, VersionOrigin } from "./reload-plan.ts";
import { createVersionLabels, type LabelledModel } from "./version-labels.ts";
import { isInTransition } from "./version-state.ts";
import { createVersionTable, type ModelVersion, type VersionStatus } from "./version-table.ts";
import { unlessAborted, wait } from "./wait.ts";

export interface ModelHostDeps {
  readonly plan: PlanReload;
  readonly limiter: ConcurrencyLimiter;
  readonly clock: Clock;
  /** Time between unloading the old model and loading the new one, in milliseconds. */
  readonly reconfigureMs: number;
  /** Whether a model is run once before it becomes available. */
  readonly warmsUp: boolean;
  /** Whether a list may label versions that are not available yet. */
  readonly allowsUnavailableLabels: boolean;
  /** Runs before every load of a reload; may fail or delay it. */
  readonly beforeLoad: (signal: AbortSignal) => Promise<void>;
  /** Called when a model becomes available. */
  readonly onLoaded: (model: VersionOrigin) => void;
}

/** Loads and unloads the models of a server. */
export interface ModelHost {
  /**
   * Loads the first models. One that cannot be loaded ends with its failure; the others are served.
   *
   * @returns the models that are not served
   * @throws ServingError FAILED_PRECONDITION for a label that may not be given
   */
  start(models: readonly WantedModel[]): Promise<readonly LoadFailure[]>;
  /** Returns a version of a model if it is available, or the newest available one. */
  get(name: string, version?: bigint): Servable | undefined;
  /** Returns the version with a label, whether or not it is available. */
  labelledVersion(name: string, label: string): bigint | undefined;
  /** Returns the labels of a model that stand for available versions. */
  labelsOf(name: string): readonly string[];
  /** Returns the states of all versions, ended ones too, highest first; none for an unknown name. */
  statuses(name: string): readonly VersionStatus[];
  /** Whether a version of that name is being loaded or unloaded. */
  isInTransition(name: string): boolean;
  available(): readonly VersionOrigin[];
  /**
   * Loads and unloads models until those of the list are served; earlier reloads are finished first.
   *
   * @returns the failures, in the order of the list
   * @throws ServingError FAILED_PRECONDITION for a label that may not be given: nothing is changed then
   */
  reload(wanted: readonly WantedModel[]): Promise<readonly LoadFailure[]>;
  /**
   * Looks for versions that came or went since the last time, and loads and unloads them. A version that could not be
   * loaded is tried again when a file changed.
   */
  scanFolders(): Promise<readonly LoadFailure[]>;
  /** Aborts the reload in progress and those queued behind it; available models stay. */
  abortReloads(): void;
  /** Aborts reloads and closes every model. */
  close(): Promise<void>;
}

export function createModelHost(deps: ModelHostDeps): ModelHost {
  const { plan, limiter, clock, reconfigureMs, warmsUp, beforeLoad, onLoaded } = deps;
  const table = createVersionTable();
  const servables = new Map<ModelVersion, CountedServable>();
  const stop = new AbortController();
  let current: readonly WantedModel[] = [];
  let lastSeen = "";
  let lastReload: Promise<unknown> = Promise.resolve();

  const newestFirst = (name: string): readonly ModelVersion[] =>
    table
      .available()
      .filter(({ loadable }) => loadable.name === name)
      .toSorted((a, b) => (a.loadable.version > b.loadable.version ? -1 : 1));
  const availableVersion = (name: string, version: bigint | undefined) =>
    newestFirst(name).find(({ loadable }) => version === undefined || loadable.version === version);
  const labels = createVersionLabels({
    isAvailable: (name, version) => availableVersion(name, version) !== undefined,
    allowsUnavailable: deps.allowsUnavailableLabels,
  });

  /** @throws the reason why it cannot be loaded, which its state has then */
  const load = async (version: ModelVersion, ready: () => Promise<void>): Promise<void> => {
    let servable: Servable | undefined;
    try {
      table.change(version, { event: "slot-free" });
      await ready();
      servable = await version.loadable.load();
      if (warmsUp) await unlessAborted(servable.warmUp(), stop.signal);
      servables.set(version, countInFlight(servable, limiter));
      table.change(version, { event: "loaded" });
      onLoaded(version.loadable);
    } catch (thrown) {
      await servable?.close();
      table.change(version, { event: "failed", failure: failureFrom(thrown) });
      throw thrown;
    }
  };

  const reconfigured = async (): Promise<void> => {
    await wait(reconfigureMs, clock, stop.signal);
    await beforeLoad(stop.signal);
  };

  const unload = async (origin: VersionOrigin): Promise<void> => {
    const version = table.active(origin);
    const servable = version && servables.get(version);
    if (!version || !servable) return;
    table.change(version, { event: "unload-requested" });
    await unlessAborted(servable.drained(), stop.signal);
    servables.delete(version);
    await servable.close();
    table.change(version, { event: "unloaded" });
  };

  /** Loads and unloads until what was found is served. */
  const serve = async (
    { loadables, failures, untouched }: Found,
    ready: () => Promise<void>,
  ): Promise<readonly LoadFailure[]> => {
    const failed = [...failures];
    const loaded = table.available().map(({ loadable }) => loadable);
    const todo = plan({
      loaded,
      wanted: loadables,
      untouched,
      isLabelled: ({ name, version }) => labels.isLabelled(name, version),
    });
    for (const { wanted: rejected, failure } of todo.reject) {
      failed.push({ name: rejected.name, version: rejected.version, failure });
      if (table.active(rejected)) continue;
      table.change(table.begin(rejected), { event: "failed", failure });
    }
    const unloading = todo.unload.map(unload);
    // The same version from another place begins only after the old one has ended.
    const clash = todo.unload.some((old) =>
      todo.load.some(({ wanted: each }) => isTwin(old, each)),
    );
    if (clash) await Promise.all(unloading);
    const queued = todo.load.map((each) => ({ ...each, version: table.begin(each.wanted) }));
    await Promise.all(unloading);
    for (const { version, replaces } of queued) {
      try {
        await load(version, ready);
        for (const old of replaces) await unload(old);
      } catch (thrown) {
        const { name, version: number } = version.loadable;
        failed.push({ name, version: number, failure: failureFrom(thrown) });
      }
    }
    return failed;
  };

  const find = async (wanted: readonly WantedModel[]): Promise<Found> => {
    const served = new Set(table.available().map(({ loadable }) => loadable.name));
    const found = await findVersions(wanted, served);
    lastSeen = seenText(found);
    const aliases = await aliasesOf(wanted).catch(() => undefined);
    const isWanted = (name: string, version: bigint) =>
      found.loadables.some((each) => each.name === name && each.version === version);
    if (aliases) labels.follow(aliases, isWanted);
    return found;
  };

  /** Runs one reload after the other. */
  const inTurn = (run: () => Promise<readonly LoadFailure[]>): Promise<readonly LoadFailure[]> => {
    const turn = lastReload.then(() => {
      stop.signal.throwIfAborted();
      return run();
    });
    lastReload = turn.catch(() => {});
    return turn;
  };

  const replaceList = (wanted: readonly WantedModel[]): void => {
    labels.replace(wanted);
    current = wanted;
  };

  const abortReloads = (): void =>
    stop.abort(new ServingError(grpcCode.UNAVAILABLE, "the model server is being stopped"));

  return {
    abortReloads,
    start: (models) =>
      inTurn(async () => {
        replaceList(models);
        return inOrder(models, await serve(await find(models), async () => {}));
      }),
    get: (name, version) => {
      const found = availableVersion(name, version);
      return found && servables.get(found);
    },
    labelledVersion: labels.get,
    labelsOf: labels.of,
    statuses: (name) => table.statuses(name),
    isInTransition: (name) => table.statuses(name).some(({ state }) => isInTransition(state)),
    available: () =>
      table.available().map(({ loadable: { name, version, origin } }) => ({
        name,
        version,
        origin,
      })),
    reload: (wanted) =>
      inTurn(async () => {
        replaceList(wanted);
        return inOrder(wanted, await serve(await find(wanted), reconfigured));
      }),
    scanFolders: () =>
      inTurn(async () => {
        const before = lastSeen;
        const found = await find(current);
        return lastSeen === before ? [] : serve(found, reconfigured);
      }),
    close: async () => {
      abortReloads();
      await lastReload;
      await Promise.all([...servables.values()].map((servable) => servable.close()));
      servables.clear();
    },
  };
}

/** What a list comes to. */
interface Found {
  readonly loadables: readonly Loadable[];
  /** Models that could not be found. */
  readonly failures: readonly LoadFailure[];
  /** Names whose versions could not be looked up: those that are served stay. */
  readonly untouched: ReadonlySet<string>;
}

/** @param served - names of models that have an available version */
async function findVersions(
  wanted: readonly WantedModel[],
  served: ReadonlySet<string>,
): Promise<Found> {
  const failures: LoadFailure[] = [];
  const untouched = new Set<string>();
  const loadables: Loadable[] = [];
  for (const { name, isLater = false, find } of wanted) {
    try {
      const found = await find();
      loadables.push(...found);
      if (found.length > 0 || isLater || served.has(name)) continue;
      const message = `no version of model ${name} was found`;
      failures.push({ name, version: undefined, failure: { code: grpcCode.NOT_FOUND, message } });
    } catch (thrown) {
      untouched.add(name);
      failures.push({ name, version: undefined, failure: failureFrom(thrown) });
    }
  }
  return { loadables, failures, untouched };
}

/** Read after the versions: an alias that moves in between names one that is loaded the next time. */
async function aliasesOf(wanted: readonly WantedModel[]): Promise<readonly LabelledModel[]> {
  const read = await Promise.all(wanted.map(({ aliases }) => aliases?.() ?? []));
  return read.flat();
}

/** Differs when versions or their files do. */
function seenText({ loadables, untouched }: Found): string {
  const versions = loadables.map(({ name, version, stamp }) => [name, `${version}`, stamp]);
  return JSON.stringify([versions, [...untouched]]);
}

function inOrder(
  wanted: readonly WantedModel[],
  failures: readonly LoadFailure[],
): readonly LoadFailure[] {
  return wanted.flatMap(({ name }) => failures.filter((failure) => failure.name === name));
}

function isTwin(one: VersionOrigin, other: VersionOrigin): boolean {
  return one.name === other.name && one.version === other.version;
}
