import type { SchedulerCommand, SchedulerEvent } from "../src/routing/scheduler/events.ts";
import {
  createSharedScheduler,
  type SharedScheduler,
  type SharingCommand,
  type SharingEvent,
  type SharingRole,
} from "../src/routing/sharing/shared-scheduler.ts";
import { eventQueue } from "./event-queue.ts";
import { createMachine } from "./machine.ts";
import type { TracedRequest } from "./trace.ts";
import { simulationSettings } from "./world.ts";

/** Several gateways of one region in front of the same replicas, which process one request at a time each. */
export interface SharedWorld {
  readonly gatewayCount: number;
  readonly replicaCount: number;
  /** One way between two gateways, in milliseconds. */
  readonly peerMs: number;
  /** Round trip between a gateway and a replica, in milliseconds. */
  readonly turnaroundMs: number;
  readonly isIdempotent?: boolean;
  /** Gateway whose calls a gateway's slots belong to, by index; 0 owns them by default. */
  readonly ownerOf?: (gateway: number) => number;
}

/** A gateway ends without a word. Its own callers are not counted from then on. */
export interface SharedIncident {
  readonly atMs: number;
  readonly gateway: number;
  /** Until the others notice, in milliseconds. */
  readonly noticedMs: number;
  /** From then until another gateway is the owner, in milliseconds; never without it. */
  readonly electedMs?: number;
  /** Whether a replica ends with it, on the same machine. */
  readonly replica?: number;
}

export interface SharedEnd {
  readonly arrivesMs: number;
  readonly tookMs: number;
  readonly isAnswered: boolean;
  /** How often replicas began with it. */
  readonly begun: number;
}

export interface SharedResult {
  /** In the order they ended, without those of a gateway that ended itself. */
  readonly ended: readonly SharedEnd[];
  /** The most requests that a replica had at the same time. */
  readonly maxAtReplica: number;
}

interface Gateway {
  readonly index: number;
  readonly scheduler: SharedScheduler;
  owner: number | undefined;
  isGone: boolean;
  wakeCount: number;
  readonly open: Map<number, { readonly request: TracedRequest; begun: number }>;
}

/** Every replica has been probed by then, in milliseconds; times of requests and incidents count from here. */
const startMs = 100;
const model = "model";
const region = "eastus";

/** Runs the schedulers of several gateways in virtual time. Each request arrives at the next gateway in turn. */
export function simulateSharedSlots(
  world: SharedWorld,
  trace: readonly TracedRequest[],
  incidents: readonly SharedIncident[] = [],
): SharedResult {
  const { gatewayCount, replicaCount, peerMs, turnaroundMs, isIdempotent = true } = world;
  const { ownerOf = () => 0 } = world;
  const events = eventQueue<() => void>();
  const ended: SharedEnd[] = [];
  let [nowMs, maxAtReplica, openCount] = [0, 0, trace.length];
  const later = (delayMs: number, happen: () => void) => events.put(nowMs + delayMs, happen);
  const replicaIds = Array.from({ length: replicaCount }, (_, index) => `${region}/${index}`);
  const machines = new Map(replicaIds.map((id) => [id, createMachine(1, later)]));
  const atReplica = new Map(replicaIds.map((id) => [id, 0]));
  const gateways = Array.from({ length: gatewayCount }, (_, index): Gateway => {
    const settings = { ...simulationSettings(true), ownRegion: region };
    const roundTripMs = () => turnaroundMs;
    const scheduler = createSharedScheduler({ ...settings, roundTripMs });
    const state = { owner: undefined, isGone: false, wakeCount: 0, open: new Map() };
    return { ...state, index, scheduler };
  });

  function handle(at: Gateway, event: SchedulerEvent | SharingEvent): void {
    if (at.isGone) return;
    for (const command of at.scheduler.handle(event, nowMs)) carryOut(at, command);
  }

  function carryOut(at: Gateway, command: SchedulerCommand | SharingCommand): void {
    switch (command.type) {
      case "send":
        send(at, command);
        break;
      case "settle":
      case "reject":
        end(at, command.id, command.type === "settle");
        break;
      case "probe":
        probe(at, command.replicaId);
        break;
      case "wake":
        at.wakeCount += 1;
        wake(at, at.wakeCount, command.atMs);
        break;
      case "recheck":
        events.put(command.atMs, () => handle(at, command));
        break;
      case "tell-owner": {
        const { owner } = at;
        const { message } = command;
        const to = owner === undefined ? undefined : gateways[owner];
        const peer = String(at.index);
        const event = { type: "from-follower", peer, detourMs: peerMs, message } as const;
        if (to) later(peerMs, () => handle(to, event));
        break;
      }
      case "tell": {
        const { message } = command;
        const to = gateways[Number(command.peer)];
        later(peerMs, () => {
          if (to?.owner === at.index) handle(to, { type: "from-owner", message });
        });
      }
    }
  }

  function wake(at: Gateway, count: number, atMs: number): void {
    events.put(atMs, () => {
      if (at.wakeCount === count) handle(at, { type: "tick" });
    });
  }

  function send(
    at: Gateway,
    { id, attemptId, replicaId }: Extract<SchedulerCommand, { type: "send" }>,
  ): void {
    const open = at.open.get(id);
    if (!open) throw new Error("an attempt at a request that is not open");
    later(turnaroundMs / 2, () => {
      const count = (atReplica.get(replicaId) ?? 0) + 1;
      atReplica.set(replicaId, count);
      maxAtReplica = Math.max(maxAtReplica, count);
      machines.get(replicaId)?.take({
        serviceMs: open.request.serviceMs,
        version: undefined,
        onBegun: () => {
          open.begun += 1;
        },
        onEnded: (failure) => {
          atReplica.set(replicaId, (atReplica.get(replicaId) ?? 0) - 1);
          later(turnaroundMs / 2, () =>
            handle(
              at,
              failure ? { type: "failed", attemptId, failure } : { type: "answered", attemptId },
            ),
          );
        },
      });
    });
  }

  function end(at: Gateway, id: number, isAnswered: boolean): void {
    const open = at.open.get(id);
    if (!open) throw new Error(`request ${id} ended twice, or never came`);
    at.open.delete(id);
    openCount -= 1;
    const { request, begun } = open;
    const { arrivesMs } = request;
    ended.push({ arrivesMs, tookMs: nowMs - startMs - arrivesMs, isAnswered, begun });
  }

  function probe(at: Gateway, replicaId: string): void {
    const event = { type: "probed", model, replicaId, roundTripMs: turnaroundMs } as const;
    later(turnaroundMs, () => {
      const isDead = machines.get(replicaId)?.fault !== undefined;
      if (!isDead) handle(at, { ...event, finding: "ready" });
      else later(2_000, () => handle(at, { ...event, finding: "lost" }));
    });
  }

  function arrive(at: Gateway, id: number, request: TracedRequest): void {
    if (at.isGone) {
      openCount -= 1;
      return;
    }
    at.open.set(id, { request, begun: 0 });
    const deadlineMs = nowMs + 10_000;
    const call = { isIdempotent, mayHedge: false, isForwarded: false, isTraced: false };
    const arrival = { id, model, priority: "normal", deadlineMs, ...call } as const;
    handle(at, { type: "arrival", request: arrival });
  }

  function become(at: Gateway, role: SharingRole, owner?: number): void {
    at.owner = owner;
    handle(at, { type: "role", role, gatewayCount });
  }

  function join(at: Gateway, owner: number): void {
    if (at.index === owner) become(at, "owner");
    else become(at, "follower", owner);
  }

  function strike({ gateway, noticedMs, electedMs, replica }: SharedIncident): void {
    const gone = gateways[gateway];
    if (!gone) throw new RangeError(`there is no gateway ${gateway}`);
    gone.isGone = true;
    openCount -= gone.open.size;
    if (replica !== undefined) machines.get(`${region}/${replica}`)?.setFault({ kind: "silent" });
    const others = gateways.filter(({ isGone }) => !isGone);
    later(noticedMs, () => {
      for (const each of others) {
        if (each.owner === gateway) become(each, "alone");
        else handle(each, { type: "follower-left", peer: String(gateway) });
      }
    });
    if (electedMs === undefined) return;
    const next = others[0]?.index ?? 0;
    later(noticedMs + electedMs, () => {
      for (const each of others) join(each, next);
    });
  }

  const pool = { model, region, replicaIds, parallelism: 1, isGateway: false };
  for (const each of gateways) {
    handle(each, { type: "pools", pools: [pool] });
    join(each, ownerOf(each.index));
  }
  for (const [index, request] of trace.entries()) {
    const at = gateways[index % gatewayCount];
    if (at) events.put(request.arrivesMs + startMs, () => arrive(at, index + 1, request));
  }
  for (const incident of incidents) events.put(incident.atMs + startMs, () => strike(incident));
  for (let next = events.next(); next && openCount > 0; next = events.next()) {
    nowMs = next.atMs;
    next.event();
  }
  if (openCount > 0) throw new Error(`${openCount} requests never ended`);
  return { ended, maxAtReplica };
}
