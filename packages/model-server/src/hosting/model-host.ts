import type { Clock } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { ModelFolderError } from "../manifest.ts";
import type { Servable } from "../servable.ts";
import { type CountedServable, countInFlight } from "./in-flight.ts";
import type { Lanes } from "./lanes.ts";
import type { Loadable, WantedModel } from "./loadable.ts";
import type { PlanReload, VersionOrigin } from "./reload-plan.ts";
import { type Failure, isInTransition } from "./version-state.ts";
import { createVersionTable, type ModelVersion, type VersionStatus } from "./version-table.ts";
import { unlessAborted, wait } from "./wait.ts";

export interface ModelHostDeps {
  readonly plan: PlanReload;
  readonly lanes: Lanes;
  readonly clock: Clock;
  /** Time between unloading the old model and loading the new one, in milliseconds. */
  readonly reconfigureMs: number;
  /** Whether a model is run once before it becomes available. */
  readonly warmsUp: boolean;
  /** Runs before every load of a reload; may fail or delay it. */
  readonly beforeLoad: (signal: AbortSignal) => Promise<void>;
  /** Called when a model becomes available. */
  readonly onLoaded: (model: VersionOrigin) => void;
}

/** A model that is not served, and why. */
export interface LoadFailure extends VersionOrigin {
  readonly failure: Failure;
}

/** Loads and unloads the models of a server. */
export interface ModelHost {
  /**
   * Loads the first models. One that cannot be loaded ends with its failure; the others are served.
   *
   * @returns the models that are not served
   */
  start(models: readonly Loadable[]): Promise<readonly LoadFailure[]>;
  /** Returns the newest available version of a model. */
  get(name: string): Servable | undefined;
  /** Returns the states of all versions, ended ones too, highest first; none for an unknown name. */
  statuses(name: string): readonly VersionStatus[];
  /** Whether a version of that name is being loaded or unloaded. */
  isInTransition(name: string): boolean;
  available(): readonly VersionOrigin[];
  /**
   * Loads and unloads models until those of the list are served; earlier reloads are finished first.
   *
   * @returns the first failure, in the order of the list; the others are in the states of their versions
   */
  reload(wanted: readonly WantedModel[]): Promise<Failure | undefined>;
  /** Aborts the reload in progress and those queued behind it; available models stay. */
  abortReloads(): void;
  /** Aborts reloads and closes every model. */
  close(): Promise<void>;
}

export function createModelHost(deps: ModelHostDeps): ModelHost {
  const { plan, lanes, clock, reconfigureMs, warmsUp, beforeLoad, onLoaded } = deps;
  const table = createVersionTable();
  const servables = new Map<ModelVersion, CountedServable>();
  const stop = new AbortController();
  let lastReload: Promise<unknown> = Promise.resolve();

  /** @throws the reason why it cannot be loaded, which its state has then */
  const load = async (version: ModelVersion, ready: () => Promise<void>): Promise<void> => {
    let servable: Servable | undefined;
    try {
      table.change(version, { event: "slot-free" });
      await ready();
      servable = await version.loadable.load();
      if (warmsUp) await unlessAborted(servable.warmUp(), stop.signal);
      servables.set(version, countInFlight(servable, lanes));
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

  const runReload = async (wanted: readonly WantedModel[]): Promise<Failure | undefined> => {
    stop.signal.throwIfAborted();
    const failures = new Map<string, Failure>();
    const found = wanted.flatMap((each): readonly Loadable[] => {
      try {
        return [each.find()];
      } catch (thrown) {
        failures.set(each.name, failureFrom(thrown));
        return [];
      }
    });
    const loaded = table.available().map(({ loadable }) => loadable);
    const todo = plan({ loaded, wanted: found, untouched: new Set(failures.keys()) });
    for (const { wanted: rejected, failure } of todo.reject) {
      failures.set(rejected.name, failure);
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
        await load(version, reconfigured);
        if (replaces) await unload(replaces);
      } catch (thrown) {
        failures.set(version.loadable.name, failureFrom(thrown));
      }
    }
    return wanted.map(({ name }) => failures.get(name)).find((failure) => failure !== undefined);
  };

  const abortReloads = (): void =>
    stop.abort(new ServingError(grpcCode.UNAVAILABLE, "the model server is being stopped"));

  return {
    abortReloads,
    start: async (models) => {
      const failures: LoadFailure[] = [];
      for (const model of models) {
        try {
          await load(table.begin(model), async () => {});
        } catch (thrown) {
          const { name, version, origin } = model;
          failures.push({ name, version, origin, failure: failureFrom(thrown) });
        }
      }
      return failures;
    },
    get: (name) => {
      const versions = table.available().filter(({ loadable }) => loadable.name === name);
      const [newest] = versions.toSorted((a, b) =>
        a.loadable.version > b.loadable.version ? -1 : 1,
      );
      return newest && servables.get(newest);
    },
    statuses: (name) => table.statuses(name),
    isInTransition: (name) => table.statuses(name).some(({ state }) => isInTransition(state)),
    available: () =>
      table.available().map(({ loadable: { name, version, origin } }) => ({
        name,
        version,
        origin,
      })),
    reload: (wanted) => {
      const turn = lastReload.then(() => runReload(wanted));
      lastReload = turn.catch(() => {});
      return turn;
    },
    close: async () => {
      abortReloads();
      await lastReload;
      await Promise.all([...servables.values()].map((servable) => servable.close()));
      servables.clear();
    },
  };
}

function isTwin(one: VersionOrigin, other: VersionOrigin): boolean {
  return one.name === other.name && one.version === other.version;
}

/** The failure as `GetModelStatus` and the response to a reload report it, in one line. */
function failureFrom(thrown: unknown): Failure {
  if (thrown instanceof ServingError) return { code: thrown.grpcCode, message: thrown.message };
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const message = text.trim().replace(/\s*\n\s*/g, "; ");
  const isFolder = thrown instanceof ModelFolderError;
  return { code: isFolder ? grpcCode.FAILED_PRECONDITION : grpcCode.INTERNAL, message };
}
