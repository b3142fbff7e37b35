import {
  type CallContext,
  type Clock,
  DeadlineExceededError,
  type Signature,
  stageTimes,
} from "@tensorgate/core";
import { signaturesFromMetadata } from "@tensorgate/tf-serving";
import type { Replicas } from "./replicas.ts";

export interface ModelWatch {
  /** Asks a replica, in its dialect, whether it can score `model`. Never rejects. */
  probe(model: string, replicaId: string): Promise<"ready" | "warming" | "lost">;
  /** Versions that some replica said it can score, highest first. */
  versionsOf(model: string): readonly bigint[];
  /** Whether some replica said that its weights were drawn at random. */
  isSeeded(model: string): boolean;
  /** The signature that a call without a name gets; undefined until some replica told it. */
  signatureOf(model: string): Signature | undefined;
}

export interface WatchParts {
  /** How long a probe may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Learns from probes which versions of a model there are, and what they take and give. */
export function modelWatch(replicas: Replicas, { timeoutMs, clock }: WatchParts): ModelWatch {
  /** By model, then by replica. */
  const versions = new Map<string, Map<string, readonly bigint[]>>();

  function remember(model: string, replicaId: string, available: readonly bigint[]): void {
    const ofModel = versions.get(model) ?? new Map<string, readonly bigint[]>();
    versions.set(model, ofModel.set(replicaId, available));
  }

  const seeded = new Set<string>();

  /** What each model takes and gives, by the account of whoever was asked last. */
  const signatures = new Map<string, Signature>();
  /** The versions of a model when a replica was asked for its signature. */
  const askedAt = new Map<string, string>();

  /** Each replica is asked once for each set of versions, and what it cannot tell is left as it was. */
  async function learnSignature(
    model: string,
    replicaId: string,
    call: CallContext,
  ): Promise<void> {
    const place = JSON.stringify([model, replicaId]);
    const versionsNow = versionsOf(model).join(",");
    if (askedAt.get(place) === versionsNow) return;
    askedAt.set(place, versionsNow);
    try {
      const reply = await replicas.get(replicaId).modelMetadata({ name: model }, call);
      const all = signaturesFromMetadata(reply);
      const signature = all.get("serving_default") ?? [...all.values()][0];
      if (signature) signatures.set(model, signature);
    } catch {
      // The model can be scored all the same.
    }
  }

  function versionsOf(model: string): readonly bigint[] {
    const all = new Set([...(versions.get(model)?.values() ?? [])].flat());
    return [...all].toSorted((a, b) => (a > b ? -1 : 1));
  }

  return {
    versionsOf,
    isSeeded: (model) => seeded.has(model),
    signatureOf: (model) => signatures.get(model),

    probe: async (model, replicaId) => {
      const controller = new AbortController();
      using _timer = clock.setTimer(timeoutMs, () =>
        controller.abort(new DeadlineExceededError(`no answer within ${timeoutMs} ms`)),
      );
      const call = {
        requestId: "probe",
        deadline: { atMs: clock.nowMs() + timeoutMs },
        signal: controller.signal,
        wishes: {},
        times: stageTimes(),
      };
      try {
        const found = await replicas.get(replicaId).probe(model, call);
        remember(model, replicaId, found.versions);
        if (found.isSeeded) seeded.add(model);
        if (found.isReady) await learnSignature(model, replicaId, call);
        return found.isReady ? "ready" : "warming";
      } catch {
        return "lost";
      }
    },
  };
}
