import type { ProbeFinding, ReplicaStateName } from "../events.ts";

/** Maximum interval of probes of an ejected replica while none of its pool serves, in milliseconds. */
export const maxIdleProbeMs = 2_000;

/** Health of a replica, which decides whether it gets requests. Replaced, never mutated. */
export type ReplicaHealth =
  /** Not probed yet, or its model is being loaded. */
  | { readonly state: "warming" }
  | { readonly state: "ready" }
  /** Half-open after an ejection: one slot until then. */
  | { readonly state: "half-open"; readonly untilMs: number }
  /** Gets nothing until the probe in flight has ended. */
  | {
      readonly state: "suspect";
      /** Whether it answered that it does not serve the model: a good probe makes it ready without the half-open state. */
      readonly isDoubted?: boolean;
    }
  /** Ejected until then, when it is probed. */
  | { readonly state: "ejected"; readonly untilMs: number }
  /** Finishes what is in flight, and gets nothing new. */
  | { readonly state: "draining" };

export interface HealthSettings {
  readonly initialEjectionMs: number;
  readonly maxEjectionMs: number;
  /** How long a replica is half-open after an ejection, with one slot, in milliseconds. */
  readonly halfOpenMs: number;
}

/** Whether a replica gets requests as soon as it has a slot. */
export function isServing({ state }: ReplicaHealth): boolean {
  return state === "ready" || state === "half-open";
}

/** Names a state for reports: a half-open replica whose time has passed is ready. */
export function stateName(health: ReplicaHealth, nowMs: number): ReplicaStateName {
  return health.state === "half-open" && health.untilMs <= nowMs ? "ready" : health.state;
}

/**
 * Returns how long a replica is ejected, in milliseconds: twice as long each time in a row.
 *
 * @param count - of ejections in a row, this one included; an integer >= 1
 */
export function ejectionMs(
  count: number,
  { initialEjectionMs, maxEjectionMs }: HealthSettings,
): number {
  return Math.min(initialEjectionMs * 2 ** Math.min(count - 1, 30), maxEjectionMs);
}

/** Returns the health after a probe; `eject` if the replica is to be ejected. */
export function afterProbe(
  health: ReplicaHealth,
  finding: ProbeFinding,
  nowMs: number,
  { halfOpenMs }: HealthSettings,
): ReplicaHealth | "eject" {
  if (health.state === "draining") return health;
  if (finding === "lost") return "eject";
  if (finding === "warming") return { state: "warming" };
  switch (health.state) {
    case "suspect":
    case "ejected":
      if (health.state === "suspect" && health.isDoubted) return { state: "ready" };
      return { state: "half-open", untilMs: nowMs + halfOpenMs };
    case "warming":
      return { state: "ready" };
    default:
      return health;
  }
}
