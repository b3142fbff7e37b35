import type { SchedulerCommand, SchedulerEvent } from "../scheduler/events.ts";
import { createScheduler, type Scheduler, type SchedulerSettings } from "../scheduler/scheduler.ts";
import { createFollowers, type FromFollower, type Tell } from "./followers.ts";
import type { OwnerMessage } from "./messages.ts";
import { createRelay, orphanMs, type Relayed, type TellOwner } from "./relay.ts";

/**
 * Who has the slots of the replicas: the owner schedules the calls of all gateways, a follower tells the owner of its calls,
 * and one that is alone while there are others takes its share of the slots.
 */
export type SharingRole = "owner" | "follower" | "alone";

export type SharingEvent =
  /** The role of this gateway changes. `gatewayCount` is how many there are, as far as is known. */
  | { readonly type: "role"; readonly role: SharingRole; readonly gatewayCount: number }
  | FromFollower
  | { readonly type: "follower-left"; readonly peer: string }
  | { readonly type: "from-owner"; readonly message: OwnerMessage }
  /** The time of a `recheck` command has come. */
  | { readonly type: "recheck" };

export type SharingCommand =
  | Tell
  | TellOwner
  /** Asks for a `recheck` event then. */
  | { readonly type: "recheck"; readonly atMs: number };

/** A scheduler whose slots several gateways share. */
export interface SharedScheduler extends Omit<Scheduler, "handle"> {
  readonly role: SharingRole;
  handle(
    event: SchedulerEvent | SharingEvent,
    nowMs: number,
  ): readonly (SchedulerCommand | SharingCommand)[];
}

/**
 * Creates a scheduler for one of several gateways in front of the same replicas.
 *
 * It is pure, as the scheduler in it. The owner's scheduler gets the events of all gateways and is the one queue of them
 * all; every gateway sends its own calls itself. Whatever is lost between gateways costs slots or time and no call: the
 * requests of an owner that is gone are scheduled where they came in, beside those of other gateways.
 */
export function createSharedScheduler(settings: SchedulerSettings): SharedScheduler {
  const scheduler = createScheduler(settings);
  const followers = createFollowers();
  let replicaIds = new Set<string>();
  const relay = createRelay((replicaId) => replicaIds.has(replicaId));
  type Commands = (SchedulerCommand | SharingCommand)[];

  function schedule(event: SchedulerEvent, nowMs: number): Commands {
    const commands: Commands = [];
    for (const command of scheduler.handle(event, nowMs)) {
      const routed = followers.route(command);
      if (routed?.type === "tell") commands.push(routed);
      else if (routed) commands.push(...relay.route(routed));
    }
    return commands;
  }

  function follow({ commands, arrivals = [] }: Relayed, nowMs: number): Commands {
    const all: Commands = [...commands];
    for (const request of arrivals) all.push(...schedule({ type: "arrival", request }, nowMs));
    return all;
  }

  function change(role: SharingRole, gatewayCount: number, nowMs: number): Commands {
    const before = shared.role;
    shared.role = role;
    const shares = role === "owner" ? 1 : Math.max(2, gatewayCount);
    const commands: Commands = schedule({ type: "sharing", gatewayCount: shares }, nowMs);
    if (before === "follower") {
      commands.push(...follow(relay.ownerLost(nowMs), nowMs));
      commands.push({ type: "recheck", atMs: nowMs + orphanMs });
    }
    if (before === "owner" && role !== "owner") {
      for (const peer of followers.peers()) commands.push(...leave(peer, nowMs));
    }
    return commands;
  }

  function leave(peer: string, nowMs: number): Commands {
    return followers.leave(peer).flatMap((event) => schedule(event, nowMs));
  }

  function handle(event: SchedulerEvent | SharingEvent, nowMs: number): Commands {
    switch (event.type) {
      case "role":
        return change(event.role, event.gatewayCount, nowMs);
      case "from-owner":
        return follow(relay.receive(event.message), nowMs);
      case "from-follower": {
        const own = followers.eventOf(event, nowMs);
        return own ? schedule(own, nowMs) : [];
      }
      case "follower-left":
        return leave(event.peer, nowMs);
      case "recheck":
        return follow(relay.checkOrphans(nowMs), nowMs);
      case "arrival":
        if (shared.role !== "follower") return schedule(event, nowMs);
        return follow(relay.arrive(event.request, nowMs), nowMs);
      case "answered":
      case "failed":
        return event.attemptId < 0 ? follow(relay.ended(event), nowMs) : schedule(event, nowMs);
      case "cancelled":
        // The own scheduler may have it as well.
        return [...follow(relay.cancel(event.id), nowMs), ...schedule(event, nowMs)];
      case "drain":
      case "readmit": {
        const commands = schedule(event, nowMs);
        if (shared.role === "follower") commands.push({ type: "tell-owner", message: event });
        return commands;
      }
      case "pools":
        replicaIds = new Set(event.pools.flatMap((pool) => pool.replicaIds));
        return schedule(event, nowMs);
      default:
        return schedule(event, nowMs);
    }
  }

  const shared = { ...scheduler, role: "owner" as SharingRole, handle };
  return shared;
}
