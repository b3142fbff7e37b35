import type { Priority } from "@tensorgate/core";
import { type Dispatcher, type DispatcherSettings, dispatcher } from "../dispatcher/dispatcher.ts";
import type {
  AttemptFailure,
  DispatcherCommand,
  DispatcherEvent,
  PoolMembers,
  Refusal,
} from "../dispatcher/events.ts";
import { eventQueue } from "./event-queue.ts";
import type { Fault, Machine } from "./machine.ts";

/** A gateway and the replicas of its region. */
export interface SimulatedRegion {
  readonly name: string;
  readonly replicaCount: number;
  /** Requests that a replica works on at once. */
  readonly lanes: number;
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
  readonly isRepeatable?: boolean;
  readonly mayHedge?: boolean;
  /** What a second replica works on it, where that differs. */
  readonly againMs?: number;
  /** When its caller leaves, if it is still open then. */
  readonly leavesMs?: number;
}

/** Something that happens to replicas, or to a gateway. */
export type Incident = { readonly atMs: number; readonly region: string } & (
  | { readonly replica: number | "all"; readonly fault: Fault | undefined }
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
  readonly settings: Omit<DispatcherSettings, "ownRegion" | "roundTripMs">;
  /** Told of every event and what came of it. */
  readonly onHandled?: (seen: Handled) => void;
}

export interface Handled {
  readonly region: string;
  readonly event: DispatcherEvent;
  readonly commands: readonly DispatcherCommand[];
  readonly nowMs: number;
  readonly dispatcher: Dispatcher;
}

/** What became of a request. */
export interface Ended {
  readonly request: SimulatedRequest;
  /** From its arrival to its reply, in milliseconds. */
  readonly tookMs: number;
  /** Absent if it was answered. */
  readonly refusal?: Refusal | "cancelled";
  /** Where it was answered. */
  readonly region?: string;
}

export interface SimulationResult {
  /** In the order they ended. */
  readonly ended: readonly Ended[];
  /** Replicas that went out, over all gateways. */
  readonly ejections: number;
  /** Attempts that replicas began with. */
  readonly begun: number;
}

const model = "model";
/** A probe that gets no answer is given up after this time, in milliseconds. */
const probeTimeoutMs = 2_000;

interface Gate {
  readonly region: string;
  readonly dispatcher: Dispatcher;
  stalledUntilMs: number;
  wakeCount: number;
  /** Requests that are open, by the id the dispatcher knows. */
  readonly open: Map<number, OpenSimulated>;
  readonly attempts: Map<number, { readonly id: number; readonly region: string }>;
}

interface OpenSimulated {
  readonly request: SimulatedRequest;
  /** The attempt of another gateway that it is. */
  readonly forwarded?: { readonly from: Gate; readonly attemptId: number };
}

/** Runs dispatchers in virtual time, in front of replicas that do exactly what the requests say. */
export function simulate(
  world: World,
  requests: readonly SimulatedRequest[],
  incidents: readonly Incident[] = [],
): SimulationResult {
  const happenings = eventQueue<() => void>();
  const ended: Ended[] = [];
  let [nowMs, ejections, begun, nextId, openCount] = [0, 0, 0, 0, 0];
  const machines = new Map<string, Machine>();
  for (const { name, replicaCount, lanes } of world.regions) {
    for (let index = 0; index < replicaCount; index += 1) {
      machines.set(`${name}/${index}`, { fault: undefined, lanes, life: 0 });
    }
  }
  const gates = new Map(world.regions.map(({ name }) => [name, gate(name)]));
  const later = (delayMs: number, happen: () => void) => happenings.put(nowMs + delayMs, happen);

  function gate(region: string): Gate {
    const made = dispatcher({
      ...world.settings,
      ownRegion: region,
      roundTripMs: (from, to) => (from === to ? world.turnaroundMs : world.roundTripMs(from, to)),
    });
    return {
      region,
      dispatcher: made,
      stalledUntilMs: 0,
      wakeCount: 0,
      open: new Map(),
      attempts: new Map(),
    };
  }

  function membersFor(own: string): readonly PoolMembers[] {
    return world.regions.map(({ name, replicaCount, lanes, parallelism = lanes }) => {
      const isPeer = world.hasPeers && name !== own;
      const ids = isPeer
        ? [`gateway:${name}`]
        : Array.from({ length: replicaCount }, (_, index) => `${name}/${index}`);
      const members = ids.map((id) => ({
        ...{ id, isGateway: isPeer, parallelism: isPeer ? 10_000 : parallelism },
      }));
      return { model, region: name, members };
    });
  }

  function tell(to: Gate, event: DispatcherEvent): void {
    if (to.stalledUntilMs > nowMs) {
      happenings.put(to.stalledUntilMs, () => tell(to, event));
      return;
    }
    const commands = to.dispatcher.handle(event, nowMs);
    const { region } = to;
    world.onHandled?.({ region, event, commands, nowMs, dispatcher: to.dispatcher });
    for (const command of commands) carryOut(to, command);
  }

  function carryOut(from: Gate, command: DispatcherCommand): void {
    switch (command.type) {
      case "send":
        from.attempts.set(command.attemptId, { id: command.id, region: command.region });
        send(from, command);
        break;
      case "settle":
        end(from, command.id, { region: from.attempts.get(command.attemptId)?.region });
        break;
      case "refuse":
        end(from, command.id, { refusal: command.because });
        break;
      case "probe":
        probe(from, command.replicaId);
        break;
      case "wake":
        wakeLater(from, command.atMs);
        break;
      case "note":
        if (command.change.to === "ejected") ejections += 1;
        break;
      case "abandon":
        // A device that has begun cannot be stopped.
        break;
    }
  }

  /** One timer, as a gateway has it: an earlier time takes its place. */
  function wakeLater(at: Gate, wakeMs: number): void {
    at.wakeCount += 1;
    const { wakeCount } = at;
    happenings.put(wakeMs, () => {
      if (at.wakeCount === wakeCount) tell(at, { type: "tick" });
    });
  }

  function end(
    at: Gate,
    id: number,
    { region, refusal }: { readonly region?: string | undefined; readonly refusal?: Refusal },
  ): void {
    const open = at.open.get(id);
    if (!open) throw new Error(`request ${id} ended twice, or never came`);
    at.open.delete(id);
    const { request, forwarded } = open;
    if (!forwarded) {
      openCount -= 1;
      const tookMs = nowMs - request.arrivesMs;
      ended.push({ request, tookMs, ...(refusal && { refusal }), ...(region && { region }) });
      return;
    }
    const expectedWaitMs = at.dispatcher.expectedWaitMs(model, nowMs);
    const { from, attemptId } = forwarded;
    later(world.roundTripMs(from.region, at.region) / 2, () =>
      tell(
        from,
        refusal
          ? { type: "failed", attemptId, failure: refusal === "overloaded" ? "full" : "failed" }
          : { type: "answered", attemptId, expectedWaitMs },
      ),
    );
  }

  function oneWayMs(from: Gate, region: string): number {
    const wayMs = from.region === region ? 0 : world.roundTripMs(from.region, region);
    return (wayMs + world.turnaroundMs) / 2;
  }

  function send(from: Gate, command: Extract<DispatcherCommand, { type: "send" }>): void {
    const { attemptId, replicaId, region } = command;
    const request = from.open.get(command.id)?.request;
    if (!request) throw new Error("an attempt at a request that is not open");
    const peer = replicaId.startsWith("gateway:") ? gates.get(region) : undefined;
    if (peer) {
      const forwarded = { from, attemptId };
      later(world.roundTripMs(from.region, region) / 2, () =>
        arrive(peer, { ...request, residency: [region] }, forwarded),
      );
      return;
    }
    const wayMs = oneWayMs(from, region);
    const isAgain = begunFor.has(command.id);
    begunFor.add(command.id);
    const { serviceMs, againMs = serviceMs } = request;
    const takesMs = isAgain ? againMs : serviceMs;
    later(wayMs, () => reach({ from, attemptId, replicaId, wayMs, serviceMs: takesMs }));
  }

  interface Reaching {
    readonly from: Gate;
    readonly attemptId: number;
    readonly replicaId: string;
    readonly wayMs: number;
    readonly serviceMs: number;
  }

  function reach(reaching: Reaching): void {
    const at = machines.get(reaching.replicaId);
    const fail = (failure: AttemptFailure) =>
      later(reaching.wayMs, () =>
        tell(reaching.from, { type: "failed", attemptId: reaching.attemptId, failure }),
      );
    switch (at?.fault?.kind) {
      case "dead":
        fail("never-sent");
        break;
      case "failing":
        fail("failed");
        break;
      case "full":
        fail("full");
        break;
      default:
        lines.get(reaching.replicaId)?.push(reaching);
        begin(reaching.replicaId);
    }
  }

  /** Requests that a replica was sent. */
  const begunFor = new Set<number>();
  const lines = new Map<string, Reaching[]>([...machines.keys()].map((id) => [id, []]));
  const busy = new Map<string, Set<Reaching>>([...machines.keys()].map((id) => [id, new Set()]));

  function begin(replicaId: string): void {
    const at = machines.get(replicaId);
    const working = busy.get(replicaId);
    if (!at || !working || at.fault?.kind === "silent" || working.size >= at.lanes) return;
    const next = lines.get(replicaId)?.shift();
    if (!next) return;
    working.add(next);
    begun += 1;
    const factor = at.fault?.kind === "slow" ? at.fault.factor : 1;
    const { life } = at;
    later(next.serviceMs * factor, () => {
      if (at.life !== life) return;
      working.delete(next);
      if (at.fault?.kind !== "silent") {
        const { from, attemptId, wayMs } = next;
        later(wayMs, () => tell(from, { type: "answered", attemptId }));
      }
      begin(replicaId);
    });
  }

  function strike(replicaId: string, fault: Fault | undefined): void {
    const at = machines.get(replicaId);
    if (!at) return;
    at.fault = fault;
    if (fault?.kind === "dead") {
      at.life += 1;
      const lost = [...(busy.get(replicaId) ?? []), ...(lines.get(replicaId)?.splice(0) ?? [])];
      busy.get(replicaId)?.clear();
      for (const { from, attemptId, wayMs } of lost) {
        later(wayMs, () => tell(from, { type: "failed", attemptId, failure: "lost" }));
      }
    }
    for (let lane = 0; lane < at.lanes; lane += 1) begin(replicaId);
  }

  function probe(from: Gate, replicaId: string): void {
    const tellProbed = (finding: "ready" | "lost", extra: object = {}) =>
      tell(from, { type: "probed", model, replicaId, finding, ...extra });
    const peer = replicaId.startsWith("gateway:") ? gates.get(replicaId.slice(8)) : undefined;
    if (peer) {
      const roundTripMs = world.roundTripMs(from.region, peer.region);
      later(roundTripMs, () => {
        const expectedWaitMs = peer.dispatcher.expectedWaitMs(model, nowMs);
        tellProbed("ready", { roundTripMs, expectedWaitMs });
      });
      return;
    }
    const [region = ""] = replicaId.split("/");
    const roundTripMs = 2 * oneWayMs(from, region);
    later(roundTripMs, () => {
      const kind = machines.get(replicaId)?.fault?.kind;
      if (kind === "dead") tellProbed("lost");
      else if (kind === "silent") later(probeTimeoutMs, () => tellProbed("lost"));
      else tellProbed("ready", { roundTripMs });
    });
  }

  function arrive(
    at: Gate,
    request: SimulatedRequest,
    forwarded?: { readonly from: Gate; readonly attemptId: number },
  ): void {
    nextId += 1;
    const id = nextId;
    at.open.set(id, { request, ...(forwarded && { forwarded }) });
    const { priority = "normal", residency, isRepeatable = true, mayHedge = false } = request;
    const deadlineMs = request.arrivesMs + (request.patienceMs ?? 10_000);
    const call = { isRepeatable, mayHedge, isForwarded: forwarded !== undefined, isTraced: false };
    const wishes = { priority, ...(residency && { residency }) };
    tell(at, { type: "arrival", request: { id, model, deadlineMs, ...wishes, ...call } });
    if (request.leavesMs === undefined || forwarded) return;
    later(request.leavesMs, () => {
      if (!at.open.delete(id)) return;
      openCount -= 1;
      ended.push({ request, tookMs: nowMs - request.arrivesMs, refusal: "cancelled" });
      tell(at, { type: "cancelled", id });
    });
  }

  for (const each of gates.values()) {
    tell(each, { type: "pools", pools: membersFor(each.region) });
  }
  // Everybody has been probed by then.
  const startMs = 1_000;
  openCount = requests.length;
  for (const request of requests) {
    const at = gates.get(request.region);
    if (!at) throw new Error(`there is no region ${request.region}`);
    const shifted = { ...request, arrivesMs: request.arrivesMs + startMs };
    happenings.put(shifted.arrivesMs, () => arrive(at, shifted));
  }
  for (const incident of incidents) {
    happenings.put(incident.atMs + startMs, () => {
      const at = gates.get(incident.region);
      if ("stalledMs" in incident) {
        if (at) at.stalledUntilMs = nowMs + incident.stalledMs;
        return;
      }
      const ids = [...machines.keys()].filter((id) => id.startsWith(`${incident.region}/`));
      const { replica } = incident;
      for (const id of replica === "all" ? ids : [`${incident.region}/${replica}`]) {
        strike(id, incident.fault);
      }
    });
  }
  for (let next = happenings.next(); next && openCount > 0; next = happenings.next()) {
    nowMs = next.atMs;
    next.event();
  }
  return { ended, ejections, begun };
}
