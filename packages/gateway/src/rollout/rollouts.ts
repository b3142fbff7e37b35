import { type Clock, type LiveValue, poll, ScoringError, type Tasks } from "@tensorgate/core";
import {
  afterEvent,
  noRollout,
  type RolloutEvent,
  type RolloutState,
  weightsOf,
} from "./machine/machine.ts";
import { type RolloutOptions, rolloutDefaults } from "./options.ts";
import { type RolloutStates, readRollouts, writeRollouts } from "./rollout-file.ts";
import {
  planFrom,
  RolloutRefusedError,
  type RolloutRequest,
  type ShadowRequest,
} from "./rollout-request.ts";
import { createShadow, type Shadow, type ShadowReport } from "./shadow.ts";
import { tasksWithRollouts } from "./tasks-with-rollouts.ts";
import { createVersionChecks, type VersionChecksDeps } from "./version-checks.ts";

/** What is known of the versions of a model. Plain JSON. */
export interface RolloutReport extends Omit<RolloutState, "before"> {
  readonly model: string;
  /** Share of the calls of each version; absent if the latest gets all. */
  readonly weights?: Readonly<Record<string, number>>;
  readonly shadow?: ShadowReport;
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
  readonly onFailure: (error: ScoringError) => void;
  readonly clock: Clock;
  readonly random: () => number;
}

interface BegunShadow {
  readonly version: string;
  readonly share: number;
  readonly keepsPictures?: boolean;
}

/** @throws SettingError if the file of states is damaged */
export function createRollouts<InForce extends RolledOut>(
  deps: RolloutsDeps<InForce>,
): RolloutStage<InForce> {
  const { inForce, hasQueue, onFailure, clock, random } = deps;
  const { versionsOf, assertVersions, missingAt, assertLoaded } = createVersionChecks(deps);
  const { file, intervalMs, maxShadows } = { ...rolloutDefaults, ...deps.options };
  const states = new Map<string, RolloutState>(file === undefined ? [] : readRollouts(file));
  const shadows = new Map<string, Shadow>();
  /** Whether calls pass the choice of versions. */
  let isUsed = states.size > 0;
  let writing = Promise.resolve();

  const rolledOut = inForce.derive((own) => {
    if (!isUsed) return own;
    const tasks = tasksWithRollouts(own.tasks, {
      stateOf: (model) => states.get(model),
      shadowOf: (model) => shadows.get(model),
      onCall: (model, version, hasFailed) => apply(model, { type: "call", version, hasFailed }),
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
    if (before.running && !after.running) endShadow(model);
    if (!before.running && after.running) shadowRollout(model);
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
      endShadow(model);
      if (state.running) shadowRollout(model);
    }
  }

  function shadowRollout(model: string): void {
    const plan = states.get(model)?.running?.plan;
    const compares = plan?.abortIf.some(({ metric }) => metric !== "failures") ?? false;
    if (!plan || !compares || plan.shadowShare === 0 || !isIdempotent(model)) return;
    beginShadow(model, { version: plan.to, share: plan.shadowShare });
  }

  function beginShadow(
    model: string,
    { version, share, keepsPictures = false }: BegunShadow,
  ): void {
    endShadow(model);
    const shadow = createShadow({
      version,
      share,
      keepsPictures,
      maxInFlight: maxShadows,
      hasQueue: () => hasQueue(inForce.current.snapshot.backboneOf(model)),
      onCompared: (sums) => apply(model, { type: "compared", sums }),
      clock,
      random,
    });
    shadows.set(model, shadow);
    use();
  }

  function endShadow(model: string): void {
    shadows.get(model)?.close();
    shadows.delete(model);
  }

  const polling = poll(
    async () => {
      for (const [model, { running }] of [...states]) {
        // A step is for all callers: it waits until each replica can take its part.
        if (running && missingAt(model, running.plan.to) === undefined) {
          apply(model, { type: "time", elapsedMs: intervalMs });
        }
        // After a start: what is in force was not known when the file was read.
        if (running && states.get(model)?.running && !shadows.has(model)) shadowRollout(model);
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
    const { before: _before, ...state } = states.get(model) ?? noRollout;
    const weights = weightsOf(states.get(model) ?? noRollout);
    const shadow = shadows.get(model);
    const { running } = state;
    const waitsFor = running && missingAt(model, running.plan.to);
    return {
      model,
      ...state,
      ...(weights && { weights: Object.fromEntries(weights) }),
      ...(shadow && { shadow: shadow.report() }),
      ...(waitsFor !== undefined && { waitsFor }),
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
    list: () => [...new Set([...states.keys(), ...shadows.keys()])].map(report),
    start: (model, request) => {
      const { to } = request;
      const versions = assertVersions(model, [to]);
      const from =
        request.from ?? states.get(model)?.stable ?? versions.find((each) => each !== to);
      if (from === undefined) {
        throw new RolloutRefusedError("invalid", `version ${to} is the only one of ${model}`);
      }
      assertVersions(model, [from]);
      assertLoaded(model, to);
      const plan = planFrom(request, from);
      const compares = plan.abortIf.find(({ metric }) => metric !== "failures");
      if (compares && plan.shadowShare === 0) {
        throw new RolloutRefusedError(
          "invalid",
          `${compares.metric} needs a share of shadowed calls`,
        );
      }
      if (compares && !isIdempotent(model)) {
        throw new RolloutRefusedError(
          "invalid",
          `${compares.metric} needs shadowed calls, but ${model} is not idempotent`,
        );
      }
      return commanded(model, { type: "start", plan });
    },
    command: (model, command) => {
      versionsOf(model);
      const { running } = states.get(model) ?? noRollout;
      if (command === "promote" && running) assertLoaded(model, running.plan.to);
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
      if (version === undefined) endShadow(model);
      else {
        assertVersions(model, [version]);
        if (!isIdempotent(model)) {
          throw new RolloutRefusedError(
            "invalid",
            `${model} is not idempotent: it cannot be shadowed`,
          );
        }
        beginShadow(model, { version, share, keepsPictures });
      }
      return report(model);
    },
    close: () => {
      polling[Symbol.dispose]();
      for (const model of [...shadows.keys()]) endShadow(model);
    },
  };
}
