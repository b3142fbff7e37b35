import type { Scheduler } from "../src/routing/scheduler/scheduler.ts";
import type { SimulatedRequest } from "./world.ts";

/** A simulated gateway. */
export interface Gate {
  readonly region: string;
  readonly scheduler: Scheduler;
  stalledUntilMs: number;
  wakeCount: number;
  /** Requests that are open, by the id the scheduler knows. */
  readonly open: Map<number, OpenSimulated>;
  /** Requests whose callers left, which a gateway that is blocked does not know yet. */
  readonly gone: Set<number>;
  /** Where attempts went. */
  readonly regionOf: Map<number, string>;
  /** What attempts at other gateways are called there. */
  readonly forwardedAs: Map<number, { readonly peer: Gate; readonly id: number }>;
  /** Attempts that failed because the model, or the version, is not served where they went. */
  readonly unserved: Set<number>;
}

export interface OpenSimulated {
  readonly request: SimulatedRequest;
  /** The same, as its caller sent it. */
  readonly original: SimulatedRequest;
  readonly forwarded?: Forwarded;
}

/** The attempt of another gateway that a request is. */
export interface Forwarded {
  readonly from: Gate;
  readonly attemptId: number;
  readonly original: SimulatedRequest;
}
