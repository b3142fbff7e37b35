import type { ProbeFinding, ReplicaStateName } from "../events.ts";

/** Whether a replica may get requests. Replaced, never mutated. */
export type ReplicaHealth =
  /** Not heard of yet, or its model is being loaded. */
  | { readonly state: "warming" }
  | { readonly state: "ready" }
  /** Back for a moment: one slot until then. */
  | { readonly state: "returning"; readonly untilMs: number }
  /** Something was lost there: nothing until the probe that is under way has said more. */
  | {
      readonly state: "suspect";
      /** Whether it answers, but says that it does not serve the model: a good probe clears it altogether. */
      readonly isDoubted?: boolean;
    }
  /** Out until then, when it is probed. */
  | { readonly state: "ejected"; readonly untilMs: number }
  /** Somebody wants it empty. */
  | { readonly state: "draining" };

export interface HealthSettings {
  readonly initialEjectionMs: number;
  readonly maxEjectionMs: number;
  /** How long one that came back gets one slot only, in milliseconds. */
  readonly returningMs: number;
}

/** Whether it may get requests now or as soon as it has a slot. */
export function isServing({ state }: ReplicaHealth): boolean {
  return state === "ready" || state === "returning";
}

/** The state as it is told: one that has been back for long enough is ready. */
export function stateName(health: ReplicaHealth, nowMs: number): ReplicaStateName {
  return health.state === "returning" && health.untilMs <= nowMs ? "ready" : health.state;
}

/**
 * How long a replica stays out, in milliseconds: twice as long each time in a row.
 *
 * @param count - of ejections in a row, this one included; an integer >= 1
 */
export function ejectionMs(
  count: number,
  { initialEjectionMs, maxEjectionMs }: HealthSettings,
): number {
  return Math.min(initialEjectionMs * 2 ** Math.min(count - 1, 30), maxEjectionMs);
}

/** The state after a probe; `ejected` without an end where the caller must say for how long. */
export function afterProbe(
  health: ReplicaHealth,
  finding: ProbeFinding,
  nowMs: number,
  { returningMs }: HealthSettings,
): ReplicaHealth | "eject" {
  if (health.state === "draining") return health;
  if (finding === "lost") return "eject";
  if (finding === "warming") return { state: "warming" };
  switch (health.state) {
    case "suspect":
    case "ejected":
      if (health.state === "suspect" && health.isDoubted) return { state: "ready" };
      return { state: "returning", untilMs: nowMs + returningMs };
    case "warming":
      return { state: "ready" };
    default:
      return health;
  }
}
