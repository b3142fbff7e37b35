import {
  type CallContext,
  type Clock,
  type ModelMetadata,
  type ScoreResolved,
  UnknownModelError,
  UpstreamAnsweredError,
  withDeadline,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import type { ReplicaPool } from "./pool.ts";
import { noteOf, type ProbeNote, probeNote } from "./probe-note.ts";
import type { Replica, ReplicaState } from "./replica.ts";

export interface ModelDiscovery {
  /**
   * Probes whether a replica can score `model`, and which versions it has. Never rejects.
   *
   * @param timeoutMs - how long that may take
   */
  probe(model: string, replicaId: string, timeoutMs: number): Promise<ProbeOutcome>;
  /** Returns what the replicas of these regions, or of all, reported of a model. */
  reported(model: string, residency?: readonly string[]): ReportedModel;
}

export interface ReportedModel {
  /** Versions that some replica can score, highest first. */
  readonly versions: readonly bigint[];
  /** Signatures by name, of the latest version in any region; undefined until some replica reported them. */
  readonly signatures: ModelMetadata["signatures"] | undefined;
  /** Whether some replica, of any region, has weights that were drawn at random. */
  readonly isSeeded: boolean;
}

/** Result of a probe. */
export interface ProbeOutcome {
  /** The model can be scored; it is not loaded; the replica did not answer. */
  readonly finding: "ready" | "warming" | "lost";
  /** Absent if the replica did not answer. */
  readonly versions?: {
    /** Undefined if the replica does not list them, so that it may have any. */
    readonly listed: readonly bigint[] | undefined;
    /** Version that answers a call without a version; undefined if that is not known. */
    readonly latest: bigint | undefined;
  };
  /** Details, unless the model is simply ready. */
  readonly note?: ProbeNote;
}

/** The replicas to probe. */
export interface DiscoverableReplicas {
  readonly pools: readonly Pick<ReplicaPool, "model" | "region" | "replicaIds">[];
  readonly byId: Pick<
    ReadonlyMap<string, Pick<Replica, "probe" | "modelMetadata" | "score">>,
    "get"
  >;
  /** Calls `listener`, from now on, after `pools` has changed. */
  onChange(listener: () => void): void;
}

export interface DiscoveryOptions {
  /** Returns why a replica that says that it is ready must not get calls of a model yet. */
  readonly verify?: (replica: ReadyReplica) => string | undefined;
  readonly clock: Clock;
}

/** A replica that says that it can score a model. */
export interface ReadyReplica {
  readonly model: string;
  readonly replicaId: string;
  readonly versions: readonly bigint[];
  readonly score: ScoreResolved;
}

/** Last known state of one model. */
interface LastKnown {
  /** By replica, as last reported. */
  readonly states: Map<string, ReplicaState>;
  /** As last reported by removed replicas: kept until a replica of now reports that it is ready. */
  removedStates: readonly ReplicaState[];
  /** Versions of all states, as text; undefined after one has changed. */
  versionsText: string | undefined;
  /** Versions when a replica was last queried for its signatures. */
  readonly queriedAt: Map<string, string>;
  /** As reported by the replica that was queried last. */
  signatures?: ModelMetadata["signatures"];
}

/** Discovers by probes which versions of a model there are, and their signatures. */
export function createModelDiscovery(
  replicas: DiscoverableReplicas,
  { verify, clock }: DiscoveryOptions,
): ModelDiscovery {
  const models = new Map<string, LastKnown>();

  function lastKnownOf(model: string): LastKnown {
    const known = models.get(model) ?? {
      states: new Map(),
      removedStates: [],
      versionsText: undefined,
      queriedAt: new Map(),
    };
    models.set(model, known);
    return known;
  }

  let poolsByModel = Map.groupBy(replicas.pools, ({ model }) => model);
  /** Ids of the replicas of a model, kept from its first probe until the pools change: each probe looks. */
  const membersByModel = new Map<string, ReadonlySet<string>>();

  const membersOf = (model: string): ReadonlySet<string> => {
    const members = membersByModel.get(model) ?? idsIn(poolsByModel.get(model) ?? []);
    membersByModel.set(model, members);
    return members;
  };

  replicas.onChange(() => {
    poolsByModel = Map.groupBy(replicas.pools, ({ model }) => model);
    membersByModel.clear();
    for (const [model, known] of models) {
      if (!poolsByModel.has(model)) models.delete(model);
      else evict(known, membersOf(model));
    }
  });

  const statesOf = (model: string, residency?: readonly string[]): readonly ReplicaState[] => {
    const known = models.get(model);
    if (!known) return [];
    if (!residency) return [...known.states.values(), ...known.removedStates];
    // The regions of removed replicas are not known any more.
    const pools = poolsByModel.get(model) ?? [];
    const members = idsIn(pools.filter(({ region }) => residency.includes(region)));
    return [...known.states].flatMap(([id, state]) => (members.has(id) ? [state] : []));
  };

  function versionsOf(model: string, residency?: readonly string[]): readonly bigint[] {
    const all = new Set(statesOf(model, residency).flatMap(({ versions }) => versions));
    return [...all].toSorted((a, b) => (a > b ? -1 : 1));
  }

  /** Queries the signatures, once by replica and set of versions; a failure leaves it as it was. */
  async function querySignatures(
    model: string,
    replicaId: string,
    call: CallContext,
  ): Promise<void> {
    const known = lastKnownOf(model);
    known.versionsText ??= versionsOf(model).join(",");
    const versionsNow = known.versionsText;
    if (known.queriedAt.get(replicaId) === versionsNow) return;
    known.queriedAt.set(replicaId, versionsNow);
    try {
      const found = await replicas.byId.get(replicaId)?.modelMetadata({ name: model }, call);
      if (found && found.signatures.size > 0) known.signatures = found.signatures;
    } catch {
      // The model can be scored without it.
    }
  }

  return {
    // Computed when asked for: calls look at the signatures alone.
    reported: (model, residency) => ({
      get versions() {
        return versionsOf(model, residency);
      },
      signatures: models.get(model)?.signatures,
      get isSeeded() {
        return statesOf(model).some(({ isSeeded = false }) => isSeeded);
      },
    }),

    probe: async (model, replicaId, timeoutMs) => {
      try {
        return await withDeadline(
          async (call) => {
            const replica = replicas.byId.get(replicaId);
            const found = await replica?.probe(model, call);
            // It may have been removed meanwhile.
            if (!replica || !found || !membersOf(model).has(replicaId)) return { finding: "lost" };
            const known = lastKnownOf(model);
            remember(known, replicaId, found);
            if (found.isReady) await querySignatures(model, replicaId, call);
            const { versions } = found;
            const { score } = replica;
            const fault = found.isReady && verify?.({ model, replicaId, versions, score });
            if (!fault) return outcomeOf(found);
            return {
              finding: "warming",
              versions: unknown,
              note: noteOf("golden pictures", fault),
            };
          },
          { requestId: "probe", timeoutMs, clock },
        );
      } catch (thrown) {
        if (!isModelAbsent(thrown)) return { finding: "lost", note: probeNote(thrown) };
        return { finding: "warming", note: noteOf("model not found", probeNote(thrown).detail) };
      }
    },
  };
}

function idsIn(pools: readonly Pick<ReplicaPool, "replicaIds">[]): ReadonlySet<string> {
  return new Set(pools.flatMap(({ replicaIds }) => replicaIds));
}

/** Keeps what a replica reported. That costs the same however many there are, unless its versions have changed. */
function remember(known: LastKnown, replicaId: string, found: ReplicaState): void {
  const before = known.states.get(replicaId);
  const isSame = before?.versions.join() === found.versions.join();
  if (!isSame) known.versionsText = undefined;
  known.states.set(replicaId, found);
  if (found.isReady) known.removedStates = [];
}

/**
 * Evicts the states of removed replicas. If no other replica is ready, they count until one is: calls that name a version
 * are not rejected because all replicas were replaced.
 */
function evict(known: LastKnown, members: ReadonlySet<string>): void {
  known.versionsText = undefined;
  const removed: ReplicaState[] = [];
  for (const [id, state] of known.states) {
    if (members.has(id)) continue;
    removed.push(state);
    known.states.delete(id);
    known.queriedAt.delete(id);
  }
  const isAnyReady = [...known.states.values()].some(({ isReady }) => isReady);
  if (!isAnyReady) known.removedStates = [...known.removedStates, ...removed];
}

function outcomeOf({ isReady, note, ...state }: ReplicaState): ProbeOutcome {
  const details = note ? { note } : {};
  // The versions are not known before they are loaded.
  if (!isReady) return { finding: "warming", versions: unknown, ...details };
  return {
    finding: "ready",
    versions: state.hasUnknownVersions ? unknown : listed(state),
    ...details,
  };
}

const unknown = { listed: undefined, latest: undefined };

/** Without any versions, replies have version 0. */
function listed({ versions, areMixed = false }: Pick<ReplicaState, "versions" | "areMixed">) {
  const [highest = 0n] = versions.toSorted((a, b) => (a > b ? -1 : 1));
  return { listed: versions, latest: areMixed ? undefined : highest };
}

/** Returns whether a server answered that it does not have the model: it is not broken. */
function isModelAbsent(thrown: unknown): boolean {
  if (thrown instanceof UnknownModelError) return true;
  if (!(thrown instanceof UpstreamAnsweredError)) return false;
  return thrown.grpcCode === grpcCode.NOT_FOUND || thrown.grpcCode === grpcCode.FAILED_PRECONDITION;
}
