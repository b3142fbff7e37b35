import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import type { NodeRequest, NodeResponse } from "../server/node-http.ts";
import type { AdmittedCall } from "./call.ts";
import { type IncomingOptions, incomingFrom, requestIdFrom } from "./incoming.ts";

function incoming(socket: object, options: Partial<IncomingOptions> = {}) {
  const request = Object.assign(new EventEmitter(), { headers: {}, socket });
  const response = Object.assign(new EventEmitter(), { writableEnded: false });
  const call = incomingFrom(
    request as unknown as NodeRequest,
    response as unknown as NodeResponse,
    {
      protocol: "rest",
      operation: "test",
      isPublic: false,
      isRecorded: true,
      receivedBytes: () => 0,
      runner: { admit: async () => ({}) as AdmittedCall },
      ...options,
    },
  );
  return { call, response };
}

test.each([
  { from: "127.0.0.1", encrypted: false, because: "loopback never leaves the machine" },
  { from: "::ffff:127.0.0.1", encrypted: false, because: "so it is written on a socket for both" },
  { from: "10.1.2.3", encrypted: true, because: "it is encrypted" },
])("what comes from $from is private: $because", ({ from, encrypted }) => {
  expect(incoming({ remoteAddress: from, encrypted }).call.access.isPrivate).toBe(true);
});

test("what comes in plaintext from another machine is not private", () => {
  const { call } = incoming({ remoteAddress: "10.1.2.3", encrypted: false });

  expect(call.access.isPrivate).toBe(false);
});

test("a call is admitted once, however often that is asked for", async () => {
  let admittedCount = 0;
  const admit = async () => {
    admittedCount += 1;
    return {} as AdmittedCall;
  };
  const { call } = incoming({}, { runner: { admit } });

  expect(await call.admitted()).toBe(await call.admitted());
  expect(admittedCount).toBe(1);
});

test.each([
  { writableEnded: false, isGone: true, because: "nothing was answered" },
  { writableEnded: true, isGone: false, because: "the answer was written" },
])("a response that closes ends the call: $isGone, as $because", ({ writableEnded, isGone }) => {
  const { call, response } = incoming({});

  Object.assign(response, { writableEnded }).emit("close");

  expect(call.gone.aborted).toBe(isGone);
});

test.each(["", "has space", "x".repeat(129), "line\nbreak"])(
  "a request id of %j is replaced",
  (given) => {
    expect(requestIdFrom(() => given)).toMatch(/^[0-9a-f-]{36}$/);
  },
);
