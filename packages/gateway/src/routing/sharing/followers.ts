import type { SchedulerCommand, SchedulerEvent } from "../scheduler/events.ts";
import type { FollowerMessage, OwnerMessage } from "./messages.ts";

/** Asks for a message to another gateway. */
export interface Tell {
  readonly type: "tell";
  readonly peer: string;
  readonly message: OwnerMessage;
}

/** A message of another gateway. */
export interface FromFollower {
  readonly type: "from-follower";
  readonly peer: string;
  /** One way to it, in milliseconds. */
  readonly detourMs: number;
  readonly message: FollowerMessage;
}

/** Requests of other gateways at the owner of the slots: they have negative ids in its scheduler. */
export interface Followers {
  /** @returns the event for the scheduler; undefined if the message is about nothing that is open */
  eventOf(from: FromFollower, nowMs: number): SchedulerEvent | undefined;
  /** Sends the commands about requests of other gateways there, and leaves the rest as it is. */
  route(command: SchedulerCommand): SchedulerCommand | Tell | undefined;
  /**
   * Forgets a gateway that has left.
   *
   * @returns the events for the scheduler: its requests end, and their slots are freed when the replicas should be done
   */
  leave(peer: string): readonly SchedulerEvent[];
  /** Gateways that have open requests. */
  peers(): readonly string[];
}

interface Follower {
  /** Ids in the scheduler, by the gateway's own. */
  readonly requests: Map<number, number>;
  /** Attempts in flight. */
  readonly attempts: Set<number>;
}

export function createFollowers(): Followers {
  const followers = new Map<string, Follower>();
  /** Open requests by their id in the scheduler. */
  const requests = new Map<number, { readonly peer: string; readonly id: number }>();
  /** Gateway of each attempt in flight. */
  const attempts = new Map<number, string>();
  let lastId = 0;

  function followerOf(peer: string): Follower {
    const known = followers.get(peer);
    if (known) return known;
    const follower = { requests: new Map<number, number>(), attempts: new Set<number>() };
    followers.set(peer, follower);
    return follower;
  }

  /** @returns the id in the scheduler */
  function take(peer: string, id: number): number | undefined {
    const ours = followers.get(peer)?.requests.get(id);
    if (ours === undefined) return undefined;
    followers.get(peer)?.requests.delete(id);
    requests.delete(ours);
    return ours;
  }

  function endAttempt(attemptId: number): string | undefined {
    const peer = attempts.get(attemptId);
    if (peer === undefined) return undefined;
    attempts.delete(attemptId);
    followers.get(peer)?.attempts.delete(attemptId);
    return peer;
  }

  return {
    eventOf: ({ peer, detourMs, message }, nowMs) => {
      switch (message.type) {
        case "arrival": {
          const { type, id, leftMs, ...request } = message;
          // A second request by the id of an open one would take its answers.
          if (followers.get(peer)?.requests.has(id)) return undefined;
          lastId -= 1;
          followerOf(peer).requests.set(id, lastId);
          requests.set(lastId, { peer, id });
          const deadlineMs = nowMs + leftMs - detourMs;
          return { type, request: { ...request, id: lastId, deadlineMs, detourMs } };
        }
        case "cancelled": {
          const id = take(peer, message.id);
          return id === undefined ? undefined : { type: "cancelled", id };
        }
        case "answered":
        case "failed":
          if (attempts.get(message.attemptId) !== peer) return undefined;
          endAttempt(message.attemptId);
          return message;
        case "drain":
        case "readmit":
          return message;
      }
    },
    route: (command) => {
      switch (command.type) {
        case "send": {
          const { attemptId } = command;
          const open = requests.get(command.id);
          if (!open) return command;
          attempts.set(attemptId, open.peer);
          followerOf(open.peer).attempts.add(attemptId);
          return { type: "tell", peer: open.peer, message: { ...command, id: open.id } };
        }
        case "settle":
        case "reject": {
          const open = requests.get(command.id);
          if (!open) return command;
          take(open.peer, open.id);
          return { type: "tell", peer: open.peer, message: { ...command, id: open.id } };
        }
        case "abandon": {
          const peer = endAttempt(command.attemptId);
          return peer === undefined ? command : { type: "tell", peer, message: command };
        }
        // The caller of another gateway has left, and it knows.
        case "leave":
          return command.id < 0 ? undefined : command;
        default:
          return command;
      }
    },
    leave: (peer) => {
      const follower = followers.get(peer);
      followers.delete(peer);
      for (const attemptId of follower?.attempts ?? []) attempts.delete(attemptId);
      return [...(follower?.requests.values() ?? [])].map((id) => {
        requests.delete(id);
        return { type: "cancelled", id };
      });
    },
    peers: () => [...followers.keys()],
  };
}
