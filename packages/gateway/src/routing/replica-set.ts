import { backoffDelayMs } from "@tensorgate/core";
import type { AttemptCounts } from "./attempt-counts.ts";
import type { RoutingOptions } from "./options.ts";
import type { Outcome } from "./outcome.ts";

/** What is known of one replica. Replaced, never mutated. */
export interface ReplicaState {
  readonly id: string;
  /** Attempts sent and not yet answered. */
  readonly inFlight: number;
  readonly health: ReplicaHealth;
  readonly counts: AttemptCounts;
}

export type ReplicaHealth =
  /** Not heard of yet, or its model is still loading: no calls. */
  | { readonly state: "warming" }
  | { readonly state: "ready"; readonly failuresInARow: number }
  /** Taken out; gets nothing but probes. */
  | { readonly state: "ejected"; readonly ejectionCount: number };

export const healthStates = ["warming", "ready", "ejected"] as const;

/** The state of a replica's health after an attempt ended with `outcome`. */
export function healthAfterAttempt(
  health: ReplicaHealth,
  outcome: Outcome,
  { maxFailures }: Required<RoutingOptions>,
): ReplicaHealth {
  if (health.state !== "ready" || outcome === "abandoned") return health;
  if (outcome === "answered") return { state: "ready", failuresInARow: 0 };
  if (outcome === "warming") return { state: "warming" };
  const failuresInARow = health.failuresInARow + 1;
  if (outcome === "lost" || failuresInARow >= maxFailures) {
    return { state: "ejected", ejectionCount: 1 };
  }
  return { state: "ready", failuresInARow };
}

/** What a probe found: the model can be scored, it is not loaded yet, or nobody answered. */
export type ProbeFinding = "ready" | "warming" | "lost";

/** The state of a replica's health after a probe. */
export function healthAfterProbe(health: ReplicaHealth, finding: ProbeFinding): ReplicaHealth {
  switch (finding) {
    case "ready":
      return health.state === "ready" ? health : { state: "ready", failuresInARow: 0 };
    case "warming":
      return { state: "warming" };
    case "lost":
      return {
        state: "ejected",
        ejectionCount: health.state === "ejected" ? health.ejectionCount + 1 : 1,
      };
  }
}

/**
 * How long to wait before the next probe, in milliseconds.
 *
 * @param jitter - uniform in `[0, 1)`
 */
export function nextProbeDelayMs(
  health: ReplicaHealth,
  options: Required<RoutingOptions>,
  jitter: number,
): number {
  switch (health.state) {
    case "ready":
      return options.probeIntervalMs;
    case "warming":
      return options.initialEjectionMs;
    case "ejected":
      return backoffDelayMs(
        health.ejectionCount,
        { initialBackoffMs: options.initialEjectionMs, maxBackoffMs: options.maxEjectionMs },
        jitter,
      );
  }
}

/**
 * Picks the ready replica with the least in flight that has not been tried.
 *
 * @param draw - uniform in `[0, 1)`; chooses among equals, so that they share the load
 * @returns undefined if there is none
 */
export function pickLeastInFlight(
  states: readonly ReplicaState[],
  tried: ReadonlySet<string>,
  draw: number,
): ReplicaState | undefined {
  const candidates = states.filter(({ id, health }) => health.state === "ready" && !tried.has(id));
  const least = Math.min(...candidates.map(({ inFlight }) => inFlight));
  const equals = candidates.filter(({ inFlight }) => inFlight === least);
  return equals[Math.floor(draw * equals.length)];
}
