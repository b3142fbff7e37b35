import { PassThrough } from "node:stream";
import { gzipSync } from "node:zlib";
import { HealthCheckRequestSchema } from "@tensorgate/proto/grpc/health/v1/health";
import { expect, test } from "vitest";
import type { BodyUsage } from "../../../server/body/body-budget.ts";
import { createDecompress } from "../../../server/body/decompress.ts";
import type { NodeRequest } from "../../../server/node-http.ts";
import { type RpcBodyOptions, readRpcBody } from "./body.ts";

const limits = { maxBytes: 100_000, maxJsonBytes: 10_000, maxElements: 1_000 };

function open(form: Partial<RpcBodyOptions["form"]>, options: Partial<RpcBodyOptions> = {}) {
  const request = Object.assign(new PassThrough(), { complete: true, headers: {} });
  let heldBytes = 0;
  let mostBytes = 0;
  const usage = {
    arrived: () => {},
    complete: () => {},
    onFailure: () => {},
    reserve: (byteCount: number) => {
      heldBytes += byteCount;
      mostBytes = Math.max(mostBytes, heldBytes);
    },
    unreserve: (byteCount: number) => {
      heldBytes -= byteCount;
    },
  };
  const body = readRpcBody(request as unknown as NodeRequest, {
    form: { isEnveloped: true, isJson: false, isText: false, coding: undefined, ...form },
    schema: HealthCheckRequestSchema,
    isStream: false,
    limits,
    usage: usage as unknown as BodyUsage,
    decompress: createDecompress(),
    onMessage: () => {},
    ...options,
  });
  return { request, body, heldBytes: () => heldBytes, mostBytes: () => mostBytes };
}

function prefixed(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

/** One text field, of so many bytes in all. */
function messageOf(byteCount: number): Buffer {
  const content = Buffer.alloc(byteCount - 4, "a");
  return Buffer.concat([Buffer.of(0x0a), varint(content.length), content]);
}

const varint = (value: number) =>
  Buffer.of((value & 0x7f) | 0x80, ((value >>> 7) & 0x7f) | 0x80, value >>> 14);

test("an envelope of just the limit is read, and one byte more is refused by its prefix", async () => {
  const exact = open({});
  exact.request.end(prefixed(messageOf(limits.maxBytes)));
  const longer = open({});
  longer.request.write(prefixed(messageOf(limits.maxBytes + 1)).subarray(0, 5));

  expect((await exact.body.next()).done).toBe(false);
  await expect(longer.body.next()).rejects.toMatchObject({ reason: "too-large" });
});

test.each([
  { name: "a message", isJson: false, maxBytes: limits.maxBytes },
  { name: "JSON", isJson: true, maxBytes: limits.maxJsonBytes },
])("$name without an envelope is read up to its limit", async ({ isJson, maxBytes }) => {
  const { request, body } = open({ isEnveloped: false, isJson });
  request.write(isJson ? Buffer.alloc(maxBytes, " ") : messageOf(maxBytes));
  request.write("a");

  await expect(body.next()).rejects.toMatchObject({
    reason: "too-large",
    message: expect.stringContaining(`${maxBytes} bytes`),
  });
});

test("the memory that a message is unpacked into is counted before it is taken", async () => {
  const message = messageOf(50_000);
  const counted: number[] = [];
  const { request, body, heldBytes } = open(
    { coding: "gzip" },
    {
      decompress: (packed, asked) => {
        const reserve = (byteCount: number) => {
          asked.account.reserve(byteCount);
          counted.push(heldBytes());
        };
        return createDecompress()(packed, { ...asked, account: { reserve } });
      },
    },
  );
  request.end(prefixed(gzipSync(message), 1));

  for await (const _piece of body);

  expect(Math.max(...counted)).toBeGreaterThanOrEqual(message.length);
  expect(heldBytes()).toBe(message.length);
});

test("an unpacked message has no more elements than it may", async () => {
  const { request, body, heldBytes } = open({ coding: "gzip" });
  request.end(prefixed(gzipSync(Buffer.alloc(2_002, Uint8Array.of(0x78, 0))), 1));

  await expect(body.next()).rejects.toMatchObject({ reason: "too-large" });
  expect(heldBytes()).toBe(0);
});

test("digits of any number are not read as an integer", async () => {
  const { request, body } = open({ isEnveloped: false, isJson: true });
  request.end(`{"service":"${"1".repeat(200)}"}`);

  await expect(body.next()).rejects.toMatchObject({
    reason: "invalid-request",
    message: expect.stringContaining("100 digits"),
  });
});
