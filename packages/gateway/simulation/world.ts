import type { Priority } from "@tensorgate/core";
import type {
  Rejection,
  SchedulerCommand,
  SchedulerEvent,
} from "../src/routing/scheduler/events.ts";
import type { Scheduler, SchedulerSettings } from "../src/routing/scheduler/scheduler.ts";
import type { Fault } from "./machine.ts";

/** A gateway and the replicas of its region. */
export interface SimulatedRegion {
  readonly name: string;
  readonly replicaCount: number;
  /** Requests that a replica works on at once. */
  readonly concurrency: number;
  /** What the gateway is told of that; the truth by default. */
  readonly parallelism?: number | "auto";
}

export interface SimulatedRequest {
  /** Region whose gateway it comes to. */
  readonly region: string;
  readonly arrivesMs: number;
  /** What a healthy replica works on it. */
  readonly serviceMs: number;
  readonly priority?: Priority;
  /** That its caller waits, in milliseconds. */
  readonly patienceMs?: number;
  readonly residency?: readonly string[];
  readonly isIdempotent?: boolean;
  readonly mayHedge?: boolean;
  /** Version that it names. */
  readonly version?: bigint;
  /** What a second replica works on it, where that differs. */
  readonly againMs?: number;
  /** When its caller leaves if it is still open, in milliseconds after its arrival. */
  readonly leavesMs?: number;
}

/** Something that happens to replicas, or to a gateway. */
export type Incident = { readonly atMs: number; readonly region: string } & (
  | { readonly replica: number | "all"; readonly fault: Fault | undefined }
  /** It has other versions from now on: 1 at the beginning. */
  | { readonly replica: number; readonly versions: readonly bigint[] }
  /** The gateway does nothing for so long: its own loop is blocked. */
  | { readonly stalledMs: number }
);

export interface World {
  readonly regions: readonly SimulatedRegion[];
  /** Between a gateway and the replicas of its region, there and back, in milliseconds. */
  readonly turnaroundMs: number;
  roundTripMs(from: string, to: string): number;
  /** Whether a gateway enters other regions by their gateways; otherwise it goes to their replicas. */
  readonly hasPeers: boolean;
  readonly settings: Omit<SchedulerSettings, "ownRegion" | "roundTripMs">;
  /** Told of every event and what came of it. */
  readonly onHandled?: (seen: Handled) => void;
}

export interface Handled {
  readonly region: string;
  readonly event: SchedulerEvent;
  readonly commands: readonly SchedulerCommand[];
  readonly nowMs: number;
  readonly scheduler: Scheduler;
}

/** What became of a request. */
export interface Ended {
  readonly request: SimulatedRequest;
  /** From its arrival to its reply, in milliseconds. */
  readonly tookMs: number;
  /** Absent if it was answered. */
  readonly rejection?: Rejection | "cancelled";
  /** Where it was answered. */
  readonly region?: string;
  /** How often a replica began with it, so far. */
  readonly begun: number;
}

export interface SimulationResult {
  /** In the order they ended. */
  readonly ended: readonly Ended[];
  /** Replicas that were taken out, over all gateways. */
  readonly ejections: number;
  /** Attempts that replicas began with. */
  readonly begun: number;
}
