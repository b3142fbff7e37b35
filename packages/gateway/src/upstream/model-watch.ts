import { type Clock, DeadlineExceededError, stageTimes } from "@tensorgate/core";
import type { Replicas } from "./replicas.ts";

export interface ModelWatch {
  /** Asks a replica, in its dialect, whether it can score `model`. Never rejects. */
  probe(model: string, replicaId: string): Promise<"ready" | "warming" | "lost">;
  /** Versions that some replica said it can score, highest first. */
  versionsOf(model: string): readonly bigint[];
}

export interface WatchParts {
  /** How long a probe may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Learns from probes which versions of a model there are. */
export function modelWatch(replicas: Replicas, { timeoutMs, clock }: WatchParts): ModelWatch {
  /** By model, then by replica. */
  const versions = new Map<string, Map<string, readonly bigint[]>>();

  function remember(model: string, replicaId: string, available: readonly bigint[]): void {
    const ofModel = versions.get(model) ?? new Map<string, readonly bigint[]>();
    versions.set(model, ofModel.set(replicaId, available));
  }

  return {
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
        return found.isReady ? "ready" : "warming";
      } catch {
        return "lost";
      }
    },

    versionsOf: (model) =>
      [...new Set([...(versions.get(model)?.values() ?? [])].flat())].toSorted((a, b) =>
        a > b ? -1 : 1,
      ),
  };
}
