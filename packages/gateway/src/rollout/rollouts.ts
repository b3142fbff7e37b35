import { type Clock, type LiveValue, poll, ScoringError, type Tasks } from "@tensorgate/core";
import { createDeviceSwaps, type VersionDevices } from "./device-swaps.ts";
import type { ServingDevices } from "./machine/devices.ts";
import { afterEvent, type RolloutEvent, weightsOf } from "./machine/machine.ts";
import { noRollout, type RolloutState } from "./machine/state.ts";
import { createOpenCalls } from "./open-calls.ts";
import { type RolloutOptions, rolloutDefaults } from "./options.ts";
import { type RolloutStates, readRollouts, writeRollouts } from "./rollout-file.ts";
import { createRolloutPlans } from "./rollout-plans.ts";
import { RolloutRefusedError, type RolloutRequest, type ShadowRequest } from "./rollout-request.ts";
import { createRolloutShadows } from "./rollout-shadows.ts";
import type { ShadowReport } from "./shadow.ts";
import { createSwapLease } from "./swap-lease.ts";
import { tasksWithRollouts } from "./tasks-with-rollouts.ts";
import { createVersionChecks, type VersionChecksDeps } from "./version-checks.ts";

/** What is known of the versions of a model. Plain JSON. */
export interface RolloutReport extends Omit<RolloutState, "before" | "devices"> {
  readonly model: string;
  /** Share of the calls of each version; absent if the latest gets all. */
  readonly weights?: Readonly<Record<string, number>>;
  readonly shadow?: ShadowReport;
  /** Of devices that hold one version at a time: how many serve each, and how many must. */
  readonly devices?: {
    readonly serving: Readonly<Record<string, number>>;
    readonly floor: number;
  };
  /** Why the next step waits; absent if only time is awaited. */
  readonly waitsFor?: string;
}

/** Which versions answer, and how that changes over time. */
export interface Rollouts {
  /** Models with a rollout, a past one, or a shadow. */
  list(): readonly RolloutReport[];
  /** @throws RolloutRefusedError */
  start(model: string, request: RolloutRequest): RolloutReport;
  /** @throws RolloutRefusedError */
  command(model: string, command: "promote" | "abort" | "undo"): RolloutReport;
  /** Shadows a share of the calls of a model, or ends that. @throws RolloutRefusedError */
  shadow(model: string, request: ShadowRequest): RolloutReport;
  /** Picture of one of the worst pairs of a model's shadow; undefined if it is not kept. */
  worstPicture(model: string, requestId: string): Uint8Array | undefined;
  close(): void;
}

/** The stage on the way of a call. */
export interface RolloutStage<InForce> extends Rollouts {
  /**
   * What is in force, where the tasks choose versions and shadow calls. They are the same tasks until a model has its first
   * rollout or shadow.
   */
  readonly inForce: { readonly current: InForce };
}

/** What is in force, as rollouts use it. */
export interface RolledOut {
  readonly tasks: Tasks;
  readonly snapshot: {
    resolve(modelSpec: { readonly name: string }): { readonly isIdempotent: boolean };
    /** Name of the model whose replicas serve a model. */
    backboneOf(name: string): string;
  };
}

export interface RolloutsDeps<InForce extends RolledOut> {
  readonly options: RolloutOptions | undefined;
  readonly inForce: LiveValue<InForce>;
  /** Whether calls of a model are queued at its replicas. */
  readonly hasQueue: (model: string) => boolean;
  readonly replicasWithout: VersionChecksDeps["replicasWithout"];
  /** Counts the serving replicas of a model by version, if they have one each. */
  readonly servingVersions: (model: string, residency?: readonly string[]) => ServingDevices;
  readonly devices: VersionDevices;
  readonly onFailure: (error: ScoringError) => void;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Intervals after which a gateway that gives no sign no longer swaps devices. */
const maxSilentIntervals = 15;
/** Intervals within which other gateways with the same file have learned of new weights. */
const maxFollowIntervals = 4;

/** @throws SettingError if the file of states is damaged */
export function createRollouts<InForce extends RolledOut>(
  deps: RolloutsDeps<InForce>,
): RolloutStage<InForce> {
  const { inForce, hasQueue, onFailure, clock, random } = deps;
  const { servingVersions } = deps;
  const checks = createVersionChecks(deps);
  const { file, intervalMs, maxShadows } = { ...rolloutDefaults, ...deps.options };
  const states = new Map<string, RolloutState>(file === undefined ? [] : readRollouts(file));
  const openCalls = createOpenCalls();
  const shadows = createRolloutShadows({
    isIdempotent,
    hasQueue: (model) => hasQueue(inForce.current.snapshot.backboneOf(model)),
    onCompared: (model, sums) => apply(model, { type: "compared", sums }),
    onUsed: use,
    maxShadows,
    clock,
    random,
  });
  const lease =
    file === undefined
      ? undefined
      : createSwapLease(`${file}.swaps`, {
          holder: `${process.pid}-${Math.floor(random() * 1e9)}`,
          silentMs: maxSilentIntervals * intervalMs,
          clock,
        });
  const swaps = createDeviceSwaps({
    devices: deps.devices,
    stateOf: (model) => states.get(model),
    servingVersions,
    openCalls: openCalls.count,
    apply,
    isInCharge: async () => lease === undefined || lease.hold(),
    followMs: lease === undefined ? 0 : maxFollowIntervals * intervalMs,
    clock,
  });
  /** Whether calls pass the choice of versions. */
  let isUsed = states.size > 0;
  let writing = Promise.resolve();

  const plans = createRolloutPlans({
    checks,
    devices: deps.devices,
    servingVersions,
    isIdempotent,
  });

  const rolledOut = inForce.derive((own) => {
    if (!isUsed) return own;
    const tasks = tasksWithRollouts(own.tasks, {
      stateOf: (model) => states.get(model),
      shadowOf: (model) => shadows.get(model),
      servingVersions,
      onCall: (model, version, hasFailed) => apply(model, { type: "call", version, hasFailed }),
      onOpen: (model, version) =>
        states.get(model)?.devices ? openCalls.open(model, version) : () => {},
      clock,
      random,
    });
    return { ...own, tasks };
  });

  function use(): void {
    if (isUsed) return;
    isUsed = true;
    rolledOut.rebuild();
  }

  function apply(model: string, event: RolloutEvent): void {
    const before = states.get(model) ?? noRollout;
    const after = afterEvent(before, event);
    if (after === before) return;
    states.set(model, after);
    use();
    if (before.running && !after.running) shadows.end(model);
    if (!before.running && after.running) shadows.follow(model, after);
    if (after.revision !== before.revision) save();
  }

  function isIdempotent(name: string): boolean {
    try {
      return inForce.current.snapshot.resolve({ name }).isIdempotent;
    } catch {
      // A model that the configuration no longer has.
      return false;
    }
  }

  function save(): void {
    if (file === undefined) return;
    writing = writing
      .then(() => writeRollouts(file, states))
      .catch((thrown: unknown) => onFailure(ScoringError.from(thrown)));
  }

  /** Takes over what another gateway with the same file has decided. */
  function follow(found: RolloutStates): void {
    for (const [model, state] of found) {
      const own = states.get(model) ?? noRollout;
      if (state.revision <= own.revision) continue;
      states.set(model, state);
      use();
      shadows.end(model);
      shadows.follow(model, state);
    }
  }

  /** Why the step of a rollout is not reached: its devices are swapped, or replicas lack the version. */
  function waitsFor(model: string): string | undefined {
    const { running, devices } = states.get(model) ?? noRollout;
    if (devices) return swaps.waitsFor(model);
    return running && checks.missingAt(model, running.plan.to);
  }

  const polling = poll(
    async () => {
      for (const [model, { running }] of [...states]) {
        // A step is for all callers: it waits until each replica can take its part.
        if (running && waitsFor(model) === undefined) {
          apply(model, { type: "time", elapsedMs: intervalMs });
        }
        // After a start: what is in force was not known when the file was read.
        if (running && !shadows.get(model)) shadows.follow(model, states.get(model));
        swaps.tick(model);
      }
      if (file === undefined) return;
      await writing;
      try {
        follow(readRollouts(file));
      } catch (thrown) {
        onFailure(ScoringError.from(thrown));
      }
    },
    { intervalMs, clock },
  );

  function report(model: string): RolloutReport {
    const { before: _before, devices, ...state } = states.get(model) ?? noRollout;
    const serving = devices && servingVersions(model);
    const weights = weightsOf(states.get(model) ?? noRollout, serving);
    const shadow = shadows.get(model);
    const waiting = waitsFor(model);
    return {
      model,
      ...state,
      ...(weights && { weights: Object.fromEntries(weights) }),
      ...(shadow && { shadow: shadow.report() }),
      ...(devices &&
        serving && { devices: { serving: Object.fromEntries(serving), floor: devices.floor } }),
      ...(waiting !== undefined && { waitsFor: waiting }),
    };
  }

  function commanded(model: string, event: RolloutEvent): RolloutReport {
    try {
      apply(model, event);
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      throw new RolloutRefusedError("invalid", `${model}: ${thrown.message}`);
    }
    return report(model);
  }

  return {
    inForce: rolledOut,
    list: () => [...new Set([...states.keys(), ...shadows.models()])].map(report),
    start: (model, request) =>
      commanded(model, { type: "start", plan: plans.planOf(model, request, states.get(model)) }),
    command: (model, command) => {
      checks.versionsOf(model);
      const { running, devices } = states.get(model) ?? noRollout;
      if (command === "promote" && running && !devices) checks.assertLoaded(model, running.plan.to);
      return commanded(
        model,
        command === "abort" ? { type: "abort", because: "by command" } : { type: command },
      );
    },
    worstPicture: (model, requestId) => shadows.get(model)?.pictureOf(requestId),
    shadow: (model, { version, share = 0.1, keepPictures: keepsPictures = false }) => {
      if (states.get(model)?.running) {
        throw new RolloutRefusedError("invalid", `${model}: its rollout decides what is shadowed`);
      }
      if (version === undefined) shadows.end(model);
      else {
        const [latest] = checks.assertVersions(model, [version]);
        if (version === (states.get(model)?.stable ?? latest)) {
          throw new RolloutRefusedError(
            "invalid",
            `version ${version} of ${model} answers its calls; shadow another one`,
          );
        }
        if (!isIdempotent(model)) {
          throw new RolloutRefusedError(
            "invalid",
            `${model} is not idempotent: it cannot be shadowed`,
          );
        }
        shadows.begin(model, { version, share, keepsPictures });
      }
      return report(model);
    },
    close: () => {
      polling[Symbol.dispose]();
      swaps.close();
      for (const model of shadows.models()) shadows.end(model);
      void lease?.release().catch(() => {});
    },
  };
}
