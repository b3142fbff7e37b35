import type {
  ProbeFinding,
  Rejection,
  RoutedPool,
  SchedulerCommand,
  SchedulerEvent,
  Send,
} from "../src/routing/scheduler/events.ts";
import { eventQueue } from "./event-queue.ts";
import { createMachine, type Machine, probeResult } from "./machine.ts";
import {
  createSimulatedGateway,
  type Ended,
  type Forwarded,
  type Incident,
  type SimulatedGateway,
  type SimulatedRequest,
  type SimulationResult,
  type World,
} from "./world.ts";

const model = "model";
/** Time limit of a probe, in milliseconds. */
const probeTimeoutMs = 2_000;
/** Every replica has been probed by then, in milliseconds; times of requests and incidents count from here. */
const startMs = 1_000;
/** Attempts in flight after the last answer end within this time, in milliseconds. */
const afterwardsMs = 3_000;
const gatewayPrefix = "gateway:";

/** Runs schedulers in virtual time, before replicas whose service times the requests give. */
export function simulate(
  world: World,
  requests: readonly SimulatedRequest[],
  incidents: readonly Incident[] = [],
): SimulationResult {
  const events = eventQueue<() => void>();
  const ended: Ended[] = [];
  let [nowMs, ejections, begun, nextId, openCount] = [0, 0, 0, 0, requests.length];
  const later = (delayMs: number, happen: () => void) => events.put(nowMs + delayMs, happen);
  const begunWith = new Map<SimulatedRequest, number>();
  const machines = new Map<string, Machine>(
    world.regions.flatMap(({ name, replicaCount, concurrency }) =>
      idsOf(name, replicaCount).map((id) => [id, createMachine(concurrency, later)] as const),
    ),
  );
  const gateways = new Map(
    world.regions.map(({ name }) => [name, createSimulatedGateway(name, world)]),
  );

  function membersFor(own: string): readonly RoutedPool[] {
    return world.regions.map(({ name, replicaCount, concurrency, parallelism = concurrency }) => {
      const isGateway = world.hasPeers && name !== own;
      const replicaIds = isGateway ? [`${gatewayPrefix}${name}`] : idsOf(name, replicaCount);
      return { model, region: name, replicaIds, isGateway, parallelism };
    });
  }

  /** Hands an event to a gateway, which handles it after those that came before. */
  function deliver(to: SimulatedGateway, event: SchedulerEvent): void {
    to.inbox.push(event);
    if (to.inbox.length > 1) return;
    if (to.busyUntilMs > nowMs) events.put(to.busyUntilMs, () => work(to));
    else work(to);
  }

  function work(at: SimulatedGateway): void {
    // A stall may have begun meanwhile.
    const event = at.busyUntilMs > nowMs ? undefined : at.inbox[0];
    if (event) {
      at.busyUntilMs = nowMs + (world.ownMs ?? 0);
      handle(at, event);
      at.inbox.shift();
    }
    if (at.inbox.length > 0) events.put(at.busyUntilMs, () => work(at));
  }

  function handle(to: SimulatedGateway, event: SchedulerEvent): void {
    if (event.type === "failed" && event.failure === "not-served") to.unserved.add(event.attemptId);
    const commands = to.scheduler.handle(event, nowMs);
    const { region } = to;
    world.onHandled?.({ region, event, commands, nowMs, scheduler: to.scheduler });
    for (const command of commands) carryOut(to, command);
  }

  function carryOut(from: SimulatedGateway, command: SchedulerCommand): void {
    switch (command.type) {
      case "send":
        from.regionOf.set(command.attemptId, command.region);
        send(from, command);
        break;
      case "settle":
        end(from, command.id, { region: from.regionOf.get(command.attemptId) });
        break;
      case "reject":
        end(from, command.id, {
          rejection: command.because,
          isUnserved:
            command.because === "unknown-version" || from.unserved.has(command.attemptId ?? -1),
        });
        break;
      case "probe":
        probe(from, command.replicaId);
        break;
      case "wake":
        wakeLater(from, command.atMs);
        break;
      case "state-change":
        if (command.change.to === "ejected") ejections += 1;
        break;
      case "abandon":
        abandon(from, command.attemptId);
    }
  }

  /** Sets the one timer of a gateway; a later call replaces it. */
  function wakeLater(at: SimulatedGateway, wakeMs: number): void {
    at.wakeCount += 1;
    const { wakeCount } = at;
    events.put(wakeMs, () => {
      if (at.wakeCount === wakeCount) deliver(at, { type: "tick" });
    });
  }

  /** A device that has begun cannot be stopped; another gateway gets the cancellation. */
  function abandon(from: SimulatedGateway, attemptId: number): void {
    const at = from.forwardedAs.get(attemptId);
    if (!at) return;
    later(world.roundTripMs(from.region, at.peer.region) / 2, () => {
      const open = at.peer.open.get(at.id);
      if (!open) return;
      at.peer.open.delete(at.id);
      at.peer.gone.set(at.id, open);
      deliver(at.peer, { type: "cancelled", id: at.id });
    });
  }

  interface Ending {
    readonly region?: string | undefined;
    readonly rejection?: Rejection | "cancelled";
    readonly isUnserved?: boolean;
  }

  function end(at: SimulatedGateway, id: number, ending: Ending): void {
    const { region, rejection } = ending;
    const open = at.open.get(id);
    if (!open && at.gone.has(id)) return;
    if (!open) throw new Error(`request ${id} ended twice, or never came`);
    at.open.delete(id);
    if (rejection === "cancelled") at.gone.set(id, open);
    const { request, original, forwarded } = open;
    if (forwarded) {
      reply(at, forwarded, ending);
      return;
    }
    openCount -= 1;
    const facts = { tookMs: nowMs - request.arrivesMs, begun: begunWith.get(original) ?? 0 };
    ended.push({ request, ...facts, ...(rejection && { rejection }), ...(region && { region }) });
  }

  /** Sends the reply of a gateway to the one that forwarded the request. */
  function reply(
    at: SimulatedGateway,
    { from, attemptId }: Forwarded,
    { rejection, isUnserved = false }: Ending,
  ): void {
    const expectedWaitMs = at.scheduler.expectedWaitMs(model, nowMs);
    const broken = rejection === "overloaded" || rejection === "no-replica" ? "full" : "failed";
    const failure = isUnserved ? "not-served" : broken;
    const event: SchedulerEvent = rejection
      ? { type: "failed", attemptId, failure }
      : { type: "answered", attemptId, expectedWaitMs };
    later(world.roundTripMs(from.region, at.region) / 2, () => deliver(from, event));
  }

  function send(from: SimulatedGateway, { id, attemptId, replicaId, region }: Send): void {
    const open = from.open.get(id) ?? from.gone.get(id);
    if (!open) throw new Error("an attempt at a request that is not open");
    const { request, original } = open;
    if (replicaId.startsWith(gatewayPrefix)) {
      const peer = gatewayOf(region);
      later(world.roundTripMs(from.region, region) / 2, () =>
        arrive(peer, { ...request, residency: [region] }, { from, attemptId, original }),
      );
      return;
    }
    const wayMs = oneWayMs(from, region);
    const { serviceMs, againMs = serviceMs, version } = request;
    const takesMs = begunWith.has(original) ? againMs : serviceMs;
    later(wayMs, () =>
      machines.get(replicaId)?.take({
        serviceMs: takesMs,
        version,
        onBegun: () => {
          begun += 1;
          begunWith.set(original, (begunWith.get(original) ?? 0) + 1);
        },
        onEnded: (failure) =>
          later(wayMs, () =>
            deliver(
              from,
              failure ? { type: "failed", attemptId, failure } : { type: "answered", attemptId },
            ),
          ),
      }),
    );
  }

  function oneWayMs(from: SimulatedGateway, region: string): number {
    const wayMs = from.region === region ? 0 : world.roundTripMs(from.region, region);
    return (wayMs + world.turnaroundMs) / 2;
  }

  function probe(from: SimulatedGateway, replicaId: string): void {
    const endProbe = (finding: ProbeFinding, more: object = {}) =>
      deliver(from, { type: "probed", model, replicaId, finding, ...more });
    if (replicaId.startsWith(gatewayPrefix)) {
      const peer = gatewayOf(replicaId.slice(gatewayPrefix.length));
      const roundTripMs = world.roundTripMs(from.region, peer.region);
      later(roundTripMs, () => {
        const expectedWaitMs = peer.scheduler.expectedWaitMs(model, nowMs);
        const finding = expectedWaitMs === Number.POSITIVE_INFINITY ? "warming" : "ready";
        endProbe(finding, { roundTripMs, expectedWaitMs });
      });
      return;
    }
    const [region = ""] = replicaId.split("/");
    const roundTripMs = 2 * oneWayMs(from, region);
    later(roundTripMs, () => {
      const found = machines.get(replicaId);
      const result = found && probeResult(found);
      if (result) endProbe(result.finding, { ...result, roundTripMs });
      else later(probeTimeoutMs, () => endProbe("lost"));
    });
  }

  function arrive(at: SimulatedGateway, request: SimulatedRequest, forwarded?: Forwarded): void {
    nextId += 1;
    const id = nextId;
    const original = forwarded?.original ?? request;
    at.open.set(id, { request, original, ...(forwarded && { forwarded }) });
    if (forwarded) forwarded.from.forwardedAs.set(forwarded.attemptId, { peer: at, id });
    const { priority = "normal", residency, version } = request;
    const { isIdempotent = true, mayHedge = false } = request;
    const deadlineMs = request.arrivesMs + (request.patienceMs ?? 10_000);
    const call = { isIdempotent, mayHedge, isForwarded: forwarded !== undefined, isTraced: false };
    const hints = { priority, version, ...(residency && { residency }) };
    deliver(at, { type: "arrival", request: { id, model, deadlineMs, ...hints, ...call } });
    if (request.leavesMs === undefined || forwarded) return;
    later(request.leavesMs, () => {
      if (!at.open.has(id)) return;
      end(at, id, { rejection: "cancelled" });
      deliver(at, { type: "cancelled", id });
    });
  }

  function gatewayOf(region: string): SimulatedGateway {
    const found = gateways.get(region);
    if (!found) throw new Error(`there is no region ${region}`);
    return found;
  }

  function apply(incident: Incident): void {
    const { region } = incident;
    if ("stalledMs" in incident) {
      gatewayOf(region).busyUntilMs = nowMs + incident.stalledMs;
      return;
    }
    if ("versions" in incident) {
      const at = machines.get(`${region}/${incident.replica}`);
      if (at) at.versions = incident.versions;
      return;
    }
    const { replica, fault } = incident;
    for (const [id, struck] of machines) {
      const isHit = replica === "all" ? id.startsWith(`${region}/`) : id === `${region}/${replica}`;
      if (isHit) struck.setFault(fault);
    }
  }

  for (const each of gateways.values())
    deliver(each, { type: "pools", pools: membersFor(each.region) });
  for (const request of requests) {
    const shifted = { ...request, arrivesMs: request.arrivesMs + startMs };
    events.put(shifted.arrivesMs, () => arrive(gatewayOf(request.region), shifted));
  }
  for (const incident of incidents) events.put(incident.atMs + startMs, () => apply(incident));
  let untilMs = Number.POSITIVE_INFINITY;
  for (let next = events.next(); next && next.atMs <= untilMs; next = events.next()) {
    nowMs = next.atMs;
    next.event();
    if (openCount === 0) untilMs = Math.min(untilMs, nowMs + afterwardsMs);
  }
  if (openCount > 0) throw new Error(`${openCount} requests never ended`);
  return { ended, ejections, begun };
}

function idsOf(region: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${region}/${index}`);
}
