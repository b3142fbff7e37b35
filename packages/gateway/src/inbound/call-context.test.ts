import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { callOpener, requestIdFrom } from "./call-context.ts";
import { requestDefaults } from "./options.ts";

function open(headers: Readonly<Record<string, string>>, timeoutMs?: number) {
  const clock = manualClock();
  const opened = callOpener(
    requestDefaults,
    clock,
  )({
    requestId: "test",
    header: (name) => headers[name],
    timeoutMs,
  });
  return { ...opened, clock };
}

test.each([
  { headers: {}, timeoutMs: undefined, atMs: 10_000, because: "nobody said" },
  {
    headers: { "x-tensorgate-timeout-ms": "250" },
    timeoutMs: undefined,
    atMs: 250,
    because: "the header says",
  },
  {
    headers: { "x-tensorgate-timeout-ms": "250" },
    timeoutMs: 70,
    atMs: 70,
    because: "the protocol's own word wins",
  },
  {
    headers: { "x-tensorgate-timeout-ms": "99999999" },
    timeoutMs: undefined,
    atMs: 60_000,
    because: "no call is longer",
  },
])("the deadline is $atMs ms away: $because", ({ headers, timeoutMs, atMs }) => {
  const { call } = open(headers, timeoutMs);

  expect(call.deadline.atMs).toBe(atMs);
});

test("the deadline aborts the call with its reason", () => {
  const { call, clock } = open({}, 50);

  clock.advance(50);

  expect(call.signal.reason).toMatchObject({ reason: "deadline-exceeded" });
});

test("an ended call leaves no timer", () => {
  const { clock, ...opened } = open({});

  opened[Symbol.dispose]();

  expect(clock.pendingTimersMs()).toEqual([]);
});

test.each(["", "has space", "x".repeat(129), "line\nbreak"])(
  "a request id of %j is replaced",
  (given) => {
    expect(requestIdFrom(() => given)).toMatch(/^[0-9a-f-]{36}$/);
  },
);

test("a timeout that is no number is the caller's mistake", () => {
  expect(() => open({ "x-tensorgate-timeout-ms": "soon" })).toThrow("whole number");
});

test("residency is a list, and an empty one allows nothing", () => {
  expect(open({ "x-tensorgate-residency": "eastus, westus2" }).call.wishes.residency).toEqual([
    "eastus",
    "westus2",
  ]);
  expect(open({ "x-tensorgate-residency": "" }).call.wishes.residency).toEqual([]);
});

test.each([
  { headers: { "x-tensorgate-priority": "urgent" }, field: "x-tensorgate-priority" },
  { headers: { "x-tensorgate-hops": "2" }, field: "x-tensorgate-hops" },
  { headers: { "x-tensorgate-hops": "-1" }, field: "x-tensorgate-hops" },
  { headers: { "x-tensorgate-hops": "one" }, field: "x-tensorgate-hops" },
])("$headers is the caller's mistake, and leaves no timer", ({ headers, field }) => {
  const clock = manualClock();
  const header = (name: string) => (headers as Readonly<Record<string, string>>)[name];

  expect(() => callOpener(requestDefaults, clock)({ requestId: "test", header })).toThrow(
    expect.objectContaining({ reason: "invalid-request", field }),
  );
  expect(clock.pendingTimersMs()).toEqual([]);
});

test("a call that came through a gateway is forwarded, and the router tells what that one asks for", () => {
  expect(open({ "x-tensorgate-hops": "1" }).call).toMatchObject({
    wishes: { isForwarded: true },
    routed: { isTraced: false },
  });
  expect(open({ "x-tensorgate-hops": "0" }).call.wishes.isForwarded).toBeUndefined();
  expect(open({}).call.routed).toBeUndefined();
});
