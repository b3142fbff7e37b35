import { PassThrough } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { HealthCheckRequestSchema } from "@tensorgate/proto/grpc/health/v1/health";
import { expect, test } from "vitest";
import type { BodyUsage } from "../../../server/body/body-budget.ts";
import type { NodeRequest } from "../../../server/node-http.ts";
import { type RpcBodyOptions, readRpcBody } from "./body.ts";

function open(options: Partial<RpcBodyOptions> = {}) {
  const request = Object.assign(new PassThrough(), { complete: true, headers: {} });
  let heldBytes = 0;
  const usage = {
    arrived: () => {},
    complete: () => {},
    onFailure: () => {},
    reserve: (byteCount: number) => {
      heldBytes += byteCount;
    },
    unreserve: (byteCount: number) => {
      heldBytes -= byteCount;
    },
  };
  const body = readRpcBody(request as unknown as NodeRequest, {
    form: { isEnveloped: true, isJson: false, isText: false, coding: undefined },
    schema: HealthCheckRequestSchema,
    isStream: true,
    limits: { maxBytes: 1_000_000, maxJsonBytes: 1_000_000, maxElements: 5_000 },
    usage: usage as unknown as BodyUsage,
    decompress: () => Promise.reject(new Error("nothing is packed")),
    onMessage: () => {},
    ...options,
  });
  return { request, body, heldBytes: () => heldBytes };
}

test("thousands of messages in one piece let the event loop turn between them", async () => {
  const { request, body } = open();
  request.end(Buffer.alloc(5_000));
  let handedOn = 0;
  const atTurns: number[] = [];
  const watching = (async () => {
    while (handedOn < 2_000) {
      await setImmediate();
      atTurns.push(handedOn);
    }
  })();
  for await (const _piece of body) handedOn += 1;
  await watching;

  // A prefix and a message each.
  expect(handedOn).toBe(2_000);
  const steps = atTurns.map((count, index) => count - (atTurns[index - 1] ?? 0));
  expect(Math.max(...steps)).toBeLessThanOrEqual(2 * 64);
});

test("a message is rejected at the first element over its budget, before the rest has arrived", async () => {
  const { request, body, heldBytes } = open();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(1_000_000, 1);
  request.write(prefix);
  request.write(Buffer.alloc(10_100, Uint8Array.of(0x78, 0)));

  await expect(body.next()).rejects.toMatchObject({ reason: "too-large" });
  expect(heldBytes()).toBe(0);
});

test("a message that is declared takes no memory before it comes", async () => {
  const { request, body, heldBytes } = open();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(1_000_000, 1);
  request.write(Buffer.concat([prefix, Buffer.from([0x0a, 0xc0, 0x84, 0x3d])]));
  const next = body.next();
  await setImmediate();

  expect(heldBytes()).toBeLessThan(10_000);
  request.destroy();
  await expect(next).rejects.toMatchObject({ reason: "cancelled" });
  expect(heldBytes()).toBe(0);
});

test("what was handed on stays counted, as long as it is", async () => {
  const kept: number[] = [];
  const { request, body, heldBytes } = open({ onMessage: (byteCount) => kept.push(byteCount) });
  const message = Buffer.concat([Buffer.from([0x0a, 0x05]), Buffer.from("shape")]);
  request.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);

  expect(Buffer.concat(pieces)).toEqual(
    Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]),
  );
  expect(kept).toEqual([message.length]);
  expect(heldBytes()).toBe(message.length);
});
