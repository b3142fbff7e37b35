import {
  type CallContext,
  type Clock,
  defaultSignature,
  type Signature,
  UnknownModelError,
  UpstreamAnsweredError,
  withDeadline,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import type { Pool } from "./pool.ts";
import { type ProbeNote, probeNote } from "./probe-note.ts";
import type { Replica, ReplicaState } from "./replica.ts";

export interface ModelDiscovery {
  /** Asks a replica, in its dialect, whether it can score `model`, and which versions. Never rejects. */
  probe(model: string, replicaId: string): Promise<ProbeOutcome>;
  /** What the replicas of these regions, or of all, reported of a model. */
  reported(model: string, residency?: readonly string[]): ReportedModel;
}

export interface ReportedModel {
  /** Versions that some replica can score, highest first. */
  readonly versions: readonly bigint[];
  /** The signature that a call without a name gets, of any region; undefined until some replica reported it. */
  readonly signature: Signature | undefined;
  /** Whether some replica, of any region, has weights that were drawn at random. */
  readonly isSeeded: boolean;
}

/** What a probe tells of a replica. */
export interface ProbeOutcome {
  /** The model can be scored; it is not there, or not yet; nobody answered. */
  readonly finding: "ready" | "warming" | "lost";
  /** Absent where nobody answered. */
  readonly versions?: {
    /** Undefined where the replica does not list them, so that it may have any. */
    readonly listed: readonly bigint[] | undefined;
    /** Answers who asks for none; undefined where that is not known. */
    readonly latest: bigint | undefined;
  };
  /** What was found, unless the model is simply ready. */
  readonly note?: ProbeNote;
}

/** The replicas to ask. */
export interface DiscoverableReplicas {
  readonly pools: readonly Pick<Pool, "model" | "region" | "replicaIds">[];
  get(replicaId: string): Pick<Replica, "probe" | "modelMetadata">;
  /** Calls `listener`, from now on, after `pools` has changed. */
  onChange(listener: () => void): void;
}

export interface DiscoveryOptions {
  /** How long a probe may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** What is known of one model. */
interface LastKnown {
  /** What each replica said of it last. */
  readonly told: Map<string, ReplicaState>;
  /** What those said who are gone: holds until a replica that is there says that it is ready. */
  inherited: readonly ReplicaState[];
  /** The versions there were when a replica was asked for its signature. */
  readonly askedAt: Map<string, string>;
  /** By the account of whoever was asked last. */
  signature?: Signature;
}

/** Learns from probes which versions of a model there are, and what they take and give. */
export function createModelDiscovery(
  replicas: DiscoverableReplicas,
  { timeoutMs, clock }: DiscoveryOptions,
): ModelDiscovery {
  const models = new Map<string, LastKnown>();

  function lastKnownOf(model: string): LastKnown {
    const known = models.get(model) ?? { told: new Map(), inherited: [], askedAt: new Map() };
    models.set(model, known);
    return known;
  }

  const membersOf = (model: string, residency?: readonly string[]) =>
    new Set(
      replicas.pools
        .filter((pool) => pool.model === model && (residency?.includes(pool.region) ?? true))
        .flatMap((pool) => pool.replicaIds),
    );

  replicas.onChange(() => {
    const configured = new Set(replicas.pools.map(({ model }) => model));
    for (const [model, known] of models) {
      if (!configured.has(model)) models.delete(model);
      else evict(known, membersOf(model));
    }
  });

  const statesOf = (model: string, residency?: readonly string[]): readonly ReplicaState[] => {
    const known = models.get(model);
    if (!known) return [];
    if (!residency) return [...known.told.values(), ...known.inherited];
    // Where those who are gone were is not known any more.
    const members = membersOf(model, residency);
    return [...known.told].flatMap(([id, state]) => (members.has(id) ? [state] : []));
  };

  function versionsOf(model: string, residency?: readonly string[]): readonly bigint[] {
    const all = new Set(statesOf(model, residency).flatMap(({ versions }) => versions));
    return [...all].toSorted((a, b) => (a > b ? -1 : 1));
  }

  /** Each replica is asked once for each set of versions, and what it cannot tell is left as it was. */
  async function learnSignature(
    model: string,
    replicaId: string,
    call: CallContext,
  ): Promise<void> {
    const known = lastKnownOf(model);
    const versionsNow = versionsOf(model).join(",");
    if (known.askedAt.get(replicaId) === versionsNow) return;
    known.askedAt.set(replicaId, versionsNow);
    try {
      const reply = await replicas.get(replicaId).modelMetadata({ name: model }, call);
      const signature = defaultSignature(reply);
      if (signature) known.signature = signature;
    } catch {
      // The model can be scored all the same.
    }
  }

  return {
    reported: (model, residency) => ({
      versions: versionsOf(model, residency),
      signature: models.get(model)?.signature,
      isSeeded: statesOf(model).some(({ isSeeded = false }) => isSeeded),
    }),

    probe: async (model, replicaId) => {
      try {
        return await withDeadline(
          async (call) => {
            const found = await replicas.get(replicaId).probe(model, call);
            // It may have been dropped while it was asked.
            if (!membersOf(model).has(replicaId)) return { finding: "lost" };
            const known = lastKnownOf(model);
            known.told.set(replicaId, found);
            if (found.isReady) known.inherited = [];
            if (found.isReady) await learnSignature(model, replicaId, call);
            return outcomeOf(found);
          },
          { requestId: "probe", timeoutMs, clock },
        );
      } catch (thrown) {
        return { finding: saysAbsent(thrown) ? "warming" : "lost", note: probeNote(thrown) };
      }
    },
  };
}

/** Callers who ask for a version must not be refused because every replica was exchanged for another. */
function evict(known: LastKnown, members: ReadonlySet<string>): void {
  const gone: ReplicaState[] = [];
  for (const [id, state] of known.told) {
    if (members.has(id)) continue;
    gone.push(state);
    known.told.delete(id);
    known.askedAt.delete(id);
  }
  const isAnyReady = [...known.told.values()].some(({ isReady }) => isReady);
  if (!isAnyReady) known.inherited = [...known.inherited, ...gone];
}

function outcomeOf({ isReady, note, ...state }: ReplicaState): ProbeOutcome {
  const told = note ? { note } : {};
  // What it will have when it is loaded, nobody knows yet.
  if (!isReady) return { finding: "warming", versions: unknown, ...told };
  return {
    finding: "ready",
    versions: state.hasUnknownVersions ? unknown : listed(state),
    ...told,
  };
}

const unknown = { listed: undefined, latest: undefined };

/** Where there are no versions at all, replies say 0. */
function listed({ versions, areMixed = false }: Pick<ReplicaState, "versions" | "areMixed">) {
  const [highest = 0n] = versions.toSorted((a, b) => (a > b ? -1 : 1));
  return { listed: versions, latest: areMixed ? undefined : highest };
}

/** Whether a server that works said that it does not have the model: no reason to count it as broken. */
function saysAbsent(thrown: unknown): boolean {
  if (thrown instanceof UnknownModelError) return true;
  if (!(thrown instanceof UpstreamAnsweredError)) return false;
  return thrown.grpcCode === grpcCode.NOT_FOUND || thrown.grpcCode === grpcCode.FAILED_PRECONDITION;
}
