import type { Priority } from "@tensorgate/core";
import type {
  Rejection,
  SchedulerCommand,
  SchedulerEvent,
} from "../src/routing/scheduler/events.ts";
import {
  createScheduler,
  type Scheduler,
  type SchedulerSettings,
} from "../src/routing/scheduler/scheduler.ts";
import { schedulerSettings } from "../src/routing/settings.ts";
import type { Fault } from "./machine.ts";

/** A gateway and the replicas of its region. */
export interface SimulatedRegion {
  readonly name: string;
  readonly replicaCount: number;
  /** Requests that a replica processes at the same time. */
  readonly concurrency: number;
  /** The same as configured; the truth by default. */
  readonly parallelism?: number | "auto";
}

export interface SimulatedRequest {
  /** Region whose gateway it arrives at. */
  readonly region: string;
  readonly arrivesMs: number;
  /** Service time at a healthy replica, in milliseconds. */
  readonly serviceMs: number;
  readonly priority?: Priority;
  /** Time until its deadline, in milliseconds. */
  readonly patienceMs?: number;
  readonly residency?: readonly string[];
  readonly isIdempotent?: boolean;
  readonly mayHedge?: boolean;
  /** Version that it names. */
  readonly version?: bigint;
  /** Service time at a second replica, if that differs, in milliseconds. */
  readonly againMs?: number;
  /** When its caller leaves if it is still open, in milliseconds after its arrival. */
  readonly leavesMs?: number;
}

/** A change of replicas, or of a gateway, during a run. */
export type Incident = { readonly atMs: number; readonly region: string } & (
  | { readonly replica: number | "all"; readonly fault: Fault | undefined }
  /** The replica serves other versions: 1 at the beginning. */
  | { readonly replica: number; readonly versions: readonly bigint[] }
  /** The event loop of the gateway stalls for this time. */
  | { readonly stalledMs: number }
);

export interface World {
  readonly regions: readonly SimulatedRegion[];
  /** Round trip between a gateway and the replicas of its region, in milliseconds. */
  readonly turnaroundMs: number;
  roundTripMs(from: string, to: string): number;
  /** Whether a gateway sends to the gateways of other regions rather than to their replicas. */
  readonly hasPeers: boolean;
  /** What a gateway's own processor takes for one event, one after the other, in milliseconds; 0 by default. */
  readonly ownMs?: number;
  readonly settings: Omit<SchedulerSettings, "ownRegion" | "roundTripMs">;
  /** Called after every event with the commands that followed. */
  readonly onHandled?: (seen: Handled) => void;
}

export interface Handled {
  readonly region: string;
  readonly event: SchedulerEvent;
  readonly commands: readonly SchedulerCommand[];
  readonly nowMs: number;
  readonly scheduler: Scheduler;
}

/** How a request ended. */
export interface Ended {
  readonly request: SimulatedRequest;
  /** From its arrival to its reply, in milliseconds. */
  readonly tookMs: number;
  /** Why it was not answered; absent if it was. */
  readonly rejection?: Rejection | "cancelled";
  /** Where it was answered. */
  readonly region?: string;
  /** How often replicas began with it until then. */
  readonly begun: number;
}

export interface SimulationResult {
  /** In the order they ended. */
  readonly ended: readonly Ended[];
  /** Ejections, over all gateways. */
  readonly ejections: number;
  /** Attempts that replicas began with. */
  readonly begun: number;
}

/** State of a simulated gateway. */
export interface SimulatedGateway {
  readonly region: string;
  readonly scheduler: Scheduler;
  /** Its processor is busy, or stalled, until then. */
  busyUntilMs: number;
  /** Events that have come meanwhile. */
  readonly inbox: SchedulerEvent[];
  wakeCount: number;
  /** Open requests, by their id in the scheduler. */
  readonly open: Map<number, OpenSimulated>;
  /** Requests whose callers have left, which a busy gateway does not know yet. */
  readonly gone: Map<number, OpenSimulated>;
  /** Regions of the attempts. */
  readonly regionOf: Map<number, string>;
  /** Attempts at other gateways, with their ids there. */
  readonly forwardedAs: Map<number, { readonly peer: SimulatedGateway; readonly id: number }>;
  /** Attempts that failed because the model, or its version, is not served there. */
  readonly unserved: Set<number>;
}

export function createSimulatedGateway(region: string, world: World): SimulatedGateway {
  const scheduler = createScheduler({
    ...world.settings,
    ownRegion: region,
    roundTripMs: (from, to) => (from === to ? world.turnaroundMs : world.roundTripMs(from, to)),
  });
  return {
    region,
    scheduler,
    busyUntilMs: 0,
    inbox: [],
    wakeCount: 0,
    open: new Map(),
    gone: new Map(),
    regionOf: new Map(),
    forwardedAs: new Map(),
    unserved: new Set(),
  };
}

export interface OpenSimulated {
  readonly request: SimulatedRequest;
  /** The request as its caller sent it. */
  readonly original: SimulatedRequest;
  readonly forwarded?: Forwarded;
}

/** The attempt of another gateway that a request belongs to. */
export interface Forwarded {
  readonly from: SimulatedGateway;
  readonly attemptId: number;
  readonly original: SimulatedRequest;
}

/** Default settings of a simulated gateway. */
export function simulationSettings(isPaced: boolean): World["settings"] {
  const { ownRegion, roundTripMs, ...settings } = schedulerSettings(
    { pacing: isPaced },
    { ownRegion: "" },
  );
  return settings;
}
