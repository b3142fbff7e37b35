import { EventEmitter } from "node:events";
import { CancelledError, ForbiddenError } from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import type { AdmittedCall } from "../access/access.ts";
import { requestDefaults } from "../options.ts";
import type { NodeRequest, NodeResponse } from "../server/node-http.ts";
import {
  CallStageTimes,
  createCallContext,
  createIncomingCall,
  type IncomingOptions,
  requestIdFrom,
} from "./incoming-call.ts";

function open(headers: Readonly<Record<string, string>>, timeoutMs?: number) {
  const clock = manualClock();
  const opened = createCallContext(
    {
      requestId: "test",
      access: { header: (name) => headers[name], remoteAddress: undefined },
      controller: new AbortController(),
      timeoutMs,
    },
    { requests: requestDefaults, clock },
  );
  return { ...opened, clock };
}

test.each([
  { headers: {}, timeoutMs: undefined, atMs: 10_000, because: "no header" },
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

test("a call that was aborted before it begins stays so, with its reason", () => {
  const controller = new AbortController();
  controller.abort(new CancelledError("the client closed the request"));

  const opened = createCallContext(
    {
      requestId: "test",
      access: { header: () => undefined, remoteAddress: undefined },
      controller,
    },
    { requests: requestDefaults, clock: manualClock() },
  );

  expect(opened.call.signal.reason).toMatchObject({ reason: "cancelled" });
});

test("an ended call leaves no timer", () => {
  const { clock, ...opened } = open({});

  opened.timer[Symbol.dispose]();

  expect(clock.pendingTimersMs()).toEqual([]);
});

test("a timeout that is no number is the caller's mistake", () => {
  expect(() => open({ "x-tensorgate-timeout-ms": "soon" })).toThrow("whole number");
});

test("residency is a list, and an empty one allows nothing", () => {
  expect(open({ "x-tensorgate-residency": "eastus, westus2" }).call.hints.residency).toEqual([
    "eastus",
    "westus2",
  ]);
  expect(open({ "x-tensorgate-residency": "" }).call.hints.residency).toEqual([]);
});

test.each([
  { headers: { "x-tensorgate-priority": "urgent" }, field: "x-tensorgate-priority" },
  { headers: { "x-tensorgate-hops": "2" }, field: "x-tensorgate-hops" },
  { headers: { "x-tensorgate-hops": "-1" }, field: "x-tensorgate-hops" },
  { headers: { "x-tensorgate-hops": "one" }, field: "x-tensorgate-hops" },
])("$headers is the caller's mistake, and leaves no timer", ({ headers, field }) => {
  const clock = manualClock();
  const header = (name: string) => (headers as Readonly<Record<string, string>>)[name];

  const controller = new AbortController();
  const start = { requestId: "test", access: { header, remoteAddress: undefined }, controller };

  expect(() => createCallContext(start, { requests: requestDefaults, clock })).toThrow(
    expect.objectContaining({ reason: "invalid-request", field }),
  );
  expect(clock.pendingTimersMs()).toEqual([]);
});

test("a call that came through a gateway is forwarded, and the router gets what that gateway asks for", () => {
  expect(open({ "x-tensorgate-hops": "1" }).call).toMatchObject({
    hints: { isForwarded: true },
    routingTrace: { isTraced: false },
  });
  expect(open({ "x-tensorgate-hops": "0" }).call.hints.isForwarded).toBeUndefined();
  expect(open({}).call.routingTrace).toBeUndefined();
});

test.each([
  {
    caller: "a",
    address: "192.0.2.1",
    sameAs: { caller: "a", address: "192.0.2.2" },
    isSame: true,
  },
  {
    caller: "a",
    address: "192.0.2.1",
    sameAs: { caller: "b", address: "192.0.2.1" },
    isSame: false,
  },
  { address: "192.0.2.1", sameAs: { address: "::ffff:192.0.2.1" }, isSame: true },
  { address: "192.0.2.1", sameAs: { address: "192.0.2.2" }, isSame: false },
  { address: "2001:db8::1", sameAs: { address: "2001:db8:0:0:9::2" }, isSame: true },
  { address: "2001:db8::1", sameAs: { address: "2001:db8:0:1::1" }, isSame: false },
  { caller: "192.0.2.1", sameAs: { address: "192.0.2.1" }, isSame: false },
])("calls count as one caller's by key, or by network without one", (each) => {
  const { sameAs, isSame, ...first } = each;

  expect(fairnessKeyOf(first) === fairnessKeyOf(sameAs)).toBe(isSame);
});

function fairnessKeyOf({ caller, address }: { caller?: string; address?: string }) {
  const open = createCallContext(
    {
      requestId: "test",
      access: { header: () => undefined, remoteAddress: address },
      controller: new AbortController(),
      caller:
        caller === undefined
          ? undefined
          : { id: caller, mayUse: () => true, assertMayUse: () => {} },
    },
    { requests: requestDefaults, clock: manualClock() },
  );
  return open.call.fairnessKey;
}

function incoming(socket: object, options: Partial<IncomingOptions> = {}) {
  const request = Object.assign(new EventEmitter(), { headers: {}, socket });
  const response = Object.assign(new EventEmitter(), { writableEnded: false });
  const call = createIncomingCall(
    request as unknown as NodeRequest,
    response as unknown as NodeResponse,
    {
      protocol: "rest",
      operation: "test",
      isPublic: false,
      isRecorded: true,
      header: () => undefined,
      body: { receivedBytes: 0 },
      admit: async () => ({}) as AdmittedCall,
      ...options,
    },
  );
  return { call, response };
}

test.each([
  { socket: { encrypted: true }, isEncrypted: true },
  { socket: { encrypted: false }, isEncrypted: false },
  { socket: {}, isEncrypted: false },
])("access learns where $socket comes from", ({ socket, isEncrypted }) => {
  const { access } = incoming({ remoteAddress: "10.1.2.3", ...socket }).call;

  expect(access).toMatchObject({ remoteAddress: "10.1.2.3", isEncrypted });
});

test("a call is admitted once, however often that is asked for", async () => {
  let admittedCount = 0;
  const admit = async () => {
    admittedCount += 1;
    return {} as AdmittedCall;
  };
  const { call } = incoming({}, { admit });

  expect(await call.admitted).toBe(await call.admitted);
  expect(admittedCount).toBe(1);
});

test("a call that is rejected by its headers fails where it is awaited, and nowhere else", async () => {
  const admit = () => {
    throw new ForbiddenError("not from here");
  };
  const { call } = incoming({}, { admit });

  await new Promise((resolve) => setImmediate(resolve));
  await expect(call.admitted).rejects.toThrow("not from here");
});

test.each([
  { writableEnded: false, isGone: true, because: "nothing was answered" },
  { writableEnded: true, isGone: false, because: "the answer was written" },
])("a response that closes ends the call: $isGone, as $because", ({ writableEnded, isGone }) => {
  const { call, response } = incoming({});

  Object.assign(response, { writableEnded }).emit("close");

  const { signal } = call.controller;
  expect(signal.aborted).toBe(isGone);
  if (isGone) expect(signal.reason).toMatchObject({ reason: "cancelled" });
});

test.each(["", "has space", "x".repeat(129), "line\nbreak"])(
  "a request id of %j is replaced",
  (given) => {
    expect(requestIdFrom(() => given)).toMatch(/^[0-9a-f-]{36}$/);
  },
);

test("stages are listed in the order of a request, whatever the order in which they ended", () => {
  const times = new CallStageTimes();

  for (const stage of ["upstream", "post", "read", "queue"] as const) times.add(stage, 1);

  expect(times.entries.map(({ stage }) => stage)).toEqual(["read", "queue", "upstream", "post"]);
});

test("pictures of one call add up", () => {
  const times = new CallStageTimes();

  for (const durationMs of [1, 2, 3.5]) times.add("decode", durationMs);

  expect(times.entries).toEqual([{ stage: "decode", durationMs: 6.5 }]);
});

test.each([
  { first: undefined, second: undefined, costliest: undefined },
  { first: undefined, second: "hit", costliest: "hit" },
  { first: "miss", second: "hit", costliest: "miss" },
  { first: "coalesced", second: "miss", costliest: "miss" },
  { first: "coalesced", second: undefined, costliest: "coalesced" },
] as const)("of $first and $second the costlier outcome stays", ({ first, second, costliest }) => {
  const times = new CallStageTimes();

  times.add("cache", 1, first);
  times.add("cache", 1, second);

  expect(times.entries).toEqual([
    { stage: "cache", durationMs: 2, ...(costliest && { outcome: costliest }) },
  ]);
});
