import type { Clock } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { ModelFolderError } from "../manifest.ts";
import type { Servable } from "../servable.ts";
import { type CountedServable, counted } from "./in-flight.ts";
import type { Lanes } from "./lanes.ts";
import type { Loadable, WantedModel } from "./loadable.ts";
import type { PlanReload, VersionOrigin } from "./reload-plan.ts";
import { type Failure, isOnTheMove } from "./version-state.ts";
import { type Life, type VersionStatus, versionTable } from "./version-table.ts";
import { unlessAborted, wait } from "./wait.ts";

export interface ModelHostParts {
  readonly plan: PlanReload;
  readonly lanes: Lanes;
  readonly clock: Clock;
  /** Between the old model's leaving and the new one's loading, in milliseconds. */
  readonly reconfigureMs: number;
  /** Whether a model is run once before it counts as available. */
  readonly warmsUp: boolean;
  /** Stands before every load of a reload; may fail it or hold it up. */
  readonly beforeLoad: (signal: AbortSignal) => Promise<void>;
  /** Told as soon as a model can be scored. */
  readonly onLoaded: (model: VersionOrigin) => void;
}

/** A model that is not served, and why. */
export interface LoadFailure extends VersionOrigin {
  readonly failure: Failure;
}

/** The models of a server: which are there, and how others come into their place. */
export interface ModelHost {
  /**
   * Loads what the server begins with. A model that cannot be loaded ends, and the others are served.
   *
   * @returns why which models are not served
   */
  start(models: readonly Loadable[]): Promise<readonly LoadFailure[]>;
  /** The newest version of a model that can be scored. */
  get(name: string): Servable | undefined;
  /** Highest version first, ended ones too; none for a name that never was. */
  statuses(name: string): readonly VersionStatus[];
  /** Whether a version of that name is coming or leaving. */
  isOnTheMove(name: string): boolean;
  available(): readonly VersionOrigin[];
  /**
   * Makes the models that are there those of the list, after the reloads that were asked for before.
   *
   * @returns the first failure, in the order of the list; the others are in the states of their versions
   */
  reload(wanted: readonly WantedModel[]): Promise<Failure | undefined>;
  /** Ends the reload that is running and those behind it; models that are there stay. */
  giveUpReloads(): void;
  /** Gives up reloads, and lets every model go. */
  close(): Promise<void>;
}

export function modelHost(parts: ModelHostParts): ModelHost {
  const { plan, lanes, clock, reconfigureMs, warmsUp, beforeLoad, onLoaded } = parts;
  const table = versionTable();
  const servables = new Map<Life, CountedServable>();
  const stop = new AbortController();
  let lastReload: Promise<unknown> = Promise.resolve();

  /** @throws whatever keeps it from being loaded, after its state says so */
  const load = async (life: Life, ready: () => Promise<void>): Promise<void> => {
    let servable: Servable | undefined;
    try {
      table.change(life, { event: "room-made" });
      await ready();
      servable = await life.loadable.load();
      if (warmsUp) await unlessAborted(servable.warmUp(), stop.signal);
      servables.set(life, counted(servable, lanes));
      table.change(life, { event: "loaded" });
      onLoaded(life.loadable);
    } catch (thrown) {
      await servable?.close();
      table.change(life, { event: "failed", failure: failureFrom(thrown) });
      throw thrown;
    }
  };

  const reconfigured = async (): Promise<void> => {
    await wait(reconfigureMs, clock, stop.signal);
    await beforeLoad(stop.signal);
  };

  const unload = async (version: VersionOrigin): Promise<void> => {
    const life = table.living(version);
    const servable = life && servables.get(life);
    if (!life || !servable) return;
    table.change(life, { event: "not-wanted" });
    await unlessAborted(servable.drained(), stop.signal);
    servables.delete(life);
    await servable.close();
    table.change(life, { event: "released" });
  };

  const carryOut = async (wanted: readonly WantedModel[]): Promise<Failure | undefined> => {
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
    for (const { wanted: refused, failure } of todo.refuse) {
      failures.set(refused.name, failure);
      if (table.living(refused)) continue;
      table.change(table.begin(refused), { event: "failed", failure });
    }
    const unloading = todo.unload.map(unload);
    // Versions that wait for their own predecessor begin when that has ended.
    const clash = todo.unload.some((old) =>
      todo.load.some(({ wanted: each }) => isTwin(old, each)),
    );
    if (clash) await Promise.all(unloading);
    const coming = todo.load.map((each) => ({ ...each, life: table.begin(each.wanted) }));
    await Promise.all(unloading);
    for (const { life, replaces } of coming) {
      try {
        await load(life, reconfigured);
        if (replaces) await unload(replaces);
      } catch (thrown) {
        failures.set(life.loadable.name, failureFrom(thrown));
      }
    }
    return wanted.map(({ name }) => failures.get(name)).find((failure) => failure !== undefined);
  };

  const giveUpReloads = (): void =>
    stop.abort(new ServingError(grpcCode.UNAVAILABLE, "the model server is being stopped"));

  return {
    giveUpReloads,
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
      const lives = table.available().filter(({ loadable }) => loadable.name === name);
      const [newest] = lives.toSorted((a, b) => (a.loadable.version > b.loadable.version ? -1 : 1));
      return newest && servables.get(newest);
    },
    statuses: (name) => table.statuses(name),
    isOnTheMove: (name) => table.statuses(name).some(({ state }) => isOnTheMove(state)),
    available: () =>
      table.available().map(({ loadable: { name, version, origin } }) => ({
        name,
        version,
        origin,
      })),
    reload: (wanted) => {
      const turn = lastReload.then(() => carryOut(wanted));
      lastReload = turn.catch(() => {});
      return turn;
    },
    close: async () => {
      giveUpReloads();
      await lastReload;
      await Promise.all([...servables.values()].map((servable) => servable.close()));
      servables.clear();
    },
  };
}

function isTwin(one: VersionOrigin, other: VersionOrigin): boolean {
  return one.name === other.name && one.version === other.version;
}

/** As `GetModelStatus` and the answer to a reload tell it, in one line. */
function failureFrom(thrown: unknown): Failure {
  if (thrown instanceof ServingError) return { code: thrown.grpcCode, message: thrown.message };
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const message = text.trim().replace(/\s*\n\s*/g, "; ");
  const isFolder = thrown instanceof ModelFolderError;
  return { code: isFolder ? grpcCode.FAILED_PRECONDITION : grpcCode.INTERNAL, message };
}
