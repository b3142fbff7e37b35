import { expect, test } from "vitest";
import type { AttemptFailure } from "../scheduler/events.ts";
import { arrival } from "../scheduler/testing.ts";
import { createFollowers, type FromFollower } from "./followers.ts";
import type { FollowerMessage, OwnerMessage } from "./messages.ts";
import { createRelay, orphanMs, type Relayed } from "./relay.ts";

const send = (id: number, attemptId: number, replicaId = "r1"): OwnerMessage => ({
  type: "send",
  id,
  attemptId,
  model: "m",
  region: "here",
  replicaId,
  waitedMs: 0,
});

/** A relay whose request 1 is in flight as attempt 7 of the owner. */
function inFlight(more: Partial<ReturnType<typeof arrival>> = {}) {
  const relay = createRelay((replicaId) => replicaId === "r1");
  const request = arrival(1, more);
  relay.arrive(request, 0);
  const [command] = relay.receive(send(1, 7)).commands;
  if (command?.type !== "send") throw new Error("the request is not sent");
  const fail = (failure: AttemptFailure): Relayed =>
    relay.ended({ type: "failed", attemptId: command.attemptId, failure });
  return { relay, request, attemptId: command.attemptId, fail };
}

test("an attempt has another id here than at the owner, who learns how it ended", () => {
  const { relay, attemptId } = inFlight();

  const { commands } = relay.ended({ type: "answered", attemptId });

  expect(attemptId).toBeLessThan(0);
  expect(commands).toMatchObject([
    { type: "settle", id: 1, attemptId },
    { type: "tell-owner", message: { type: "answered", attemptId: 7 } },
  ]);
  expect(relay.has(1)).toBe(false);
});

test("a replica that is not known here gets no call, and the owner learns it", () => {
  const relay = createRelay(() => false);
  relay.arrive(arrival(1), 0);

  expect(relay.receive(send(1, 7)).commands).toMatchObject([
    { type: "tell-owner", message: { type: "failed", attemptId: 7, failure: "not-served" } },
  ]);
});

test("when the owner is lost, what waits there is scheduled here, and what is in flight goes on", () => {
  const { relay } = inFlight();
  const waiting = arrival(2);
  relay.arrive(waiting, 0);

  expect(relay.ownerLost(5)).toEqual({ commands: [], arrivals: [waiting] });
  expect(relay.has(1)).toBe(true);
});

test.each([
  { failure: "unprocessed" as const, isIdempotent: false, isRepeated: true },
  { failure: "not-served" as const, isIdempotent: false, isRepeated: true },
  { failure: "lost" as const, isIdempotent: false, isRepeated: false },
  { failure: "lost" as const, isIdempotent: true, isRepeated: true },
])(
  "an attempt without an owner that ends as $failure is repeated: $isRepeated (idempotent: $isIdempotent)",
  (each) => {
    const { relay, request, attemptId, fail } = inFlight({ isIdempotent: each.isIdempotent });
    relay.ownerLost(5);

    const { commands, arrivals = [] } = fail(each.failure);

    expect(arrivals).toEqual(each.isRepeated ? [request] : []);
    const rejection = { type: "reject", id: 1, because: "attempt-failed", attemptId };
    expect(commands).toEqual(each.isRepeated ? [] : [rejection]);
  },
);

test.each([
  { isIdempotent: true, count: 1 },
  { isIdempotent: false, count: 0 },
])(
  "long after its owner was lost, a call in flight is tried elsewhere if that does no harm ($isIdempotent)",
  (each) => {
    const { relay } = inFlight({ isIdempotent: each.isIdempotent });
    relay.ownerLost(5);

    expect(relay.checkOrphans(4 + orphanMs).arrivals).toEqual([]);
    expect(relay.checkOrphans(5 + orphanMs).arrivals).toHaveLength(each.count);
    expect(relay.checkOrphans(6 + orphanMs).arrivals).toEqual([]);
  },
);

test("an attempt of an owner before is not one of the owner now", () => {
  const { relay, fail } = inFlight({ isIdempotent: true });
  relay.ownerLost(5);
  relay.arrive(arrival(2), 6);
  relay.receive(send(2, 7));

  const { commands } = fail("lost");

  expect(commands.filter(({ type }) => type === "tell-owner")).toEqual([]);
  expect(relay.has(2)).toBe(true);
});

const from = (peer: string, message: FollowerMessage): FromFollower => ({
  type: "from-follower",
  peer,
  detourMs: 2,
  message,
});
const relayed = (id: number): FollowerMessage => {
  const { deadlineMs: _, ...rest } = arrival(id);
  return { ...rest, type: "arrival", leftMs: 100 };
};
const settle = (id: number, attemptId: number) => ({ type: "settle", id, attemptId }) as const;

test("two gateways may give the same ids to their requests, and one may not give an id twice", () => {
  const followers = createFollowers();

  const first = followers.eventOf(from("a", relayed(1)), 10);
  const second = followers.eventOf(from("b", relayed(1)), 10);

  // The answer has a way to go, too.
  expect(first).toMatchObject({ type: "arrival", request: { id: -1, deadlineMs: 108 } });
  expect(second).toMatchObject({ type: "arrival", request: { id: -2 } });
  expect(followers.eventOf(from("a", relayed(1)), 10)).toBeUndefined();
});

test("a gateway ends its own attempts only", () => {
  const followers = createFollowers();
  followers.eventOf(from("a", relayed(1)), 10);
  followers.route(send(-1, 5));
  const answered = { type: "answered", attemptId: 5 } as const;

  expect(followers.eventOf(from("b", answered), 11)).toBeUndefined();
  expect(followers.eventOf(from("a", answered), 11)).toEqual(answered);
  expect(followers.eventOf(from("a", answered), 12)).toBeUndefined();
});

test("the requests of a gateway that leaves are cancelled, and those of others stay", () => {
  const followers = createFollowers();
  followers.eventOf(from("a", relayed(1)), 10);
  followers.eventOf(from("b", relayed(1)), 10);

  expect(followers.leave("a")).toEqual([{ type: "cancelled", id: -1 }]);
  expect(followers.peers()).toEqual(["b"]);
  expect(followers.route(settle(-1, 5))).toEqual(settle(-1, 5));
  expect(followers.route(settle(-2, 6))).toMatchObject({
    type: "tell",
    peer: "b",
    message: { id: 1 },
  });
});
