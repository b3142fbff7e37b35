import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { type AddressInfo, Socket } from "node:net";
import { expect, test } from "vitest";
import type { BodyUsage } from "./body-budget.ts";
import { readBody, wholeBody } from "./read-body.ts";

const usage = { arrived() {}, reserve() {}, complete() {}, onFailure() {} } as unknown as BodyUsage;

/** Reads a body that arrives in these pieces. */
async function bodyOf(
  pieces: readonly Buffer[],
  request = new http.IncomingMessage(new Socket()),
): Promise<string> {
  const byteCount = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const whole = readBody(request, usage, wholeBody(byteCount, byteCount));
  for (const piece of pieces) request.push(piece);
  request.complete = true;
  request.push(null);
  return Buffer.from(await whole).toString("latin1");
}

test("a long piece is freed once it was copied, also if it is the whole body", async () => {
  const alone = Buffer.alloc(50_000, "a");
  const pieces = [Buffer.alloc(16_384, "b"), Buffer.alloc(70_000, "c")];

  expect(await bodyOf([alone])).toBe("a".repeat(50_000));
  expect(await bodyOf(pieces)).toBe("b".repeat(16_384) + "c".repeat(70_000));
  expect([alone, ...pieces].map(({ byteLength }) => byteLength)).toEqual([0, 0, 0]);
});

test("a piece that shares its memory with others, or is short, stays as it is", async () => {
  const shared = Buffer.alloc(60_000, "d");
  const short = Buffer.alloc(16_383, "e");

  expect(await bodyOf([shared.subarray(0, 30_000), short])).toHaveLength(46_383);
  expect([shared, short].map(({ byteLength }) => byteLength)).toEqual([60_000, 16_383]);
});

test("uploads over one connection of HTTP/2 stay whole, and free what they came in", async () => {
  const bodies = Array.from({ length: 6 }, (_, at) => Buffer.alloc(200_000 + at * 7_777, at + 1));
  const received: (string | undefined)[] = [];
  const pieces: Buffer[] = [];
  const server = http2.createServer(async (request, response) => {
    const at = Number(request.url.slice(1));
    const byteCount = bodies[at]?.byteLength ?? 0;
    // Every other body is read when pieces of it have come and wait.
    if (at % 2 === 1) await once(request, "readable");
    else request.on("data", (piece: Buffer) => pieces.push(piece));
    const whole = await readBody(request, usage, wholeBody(byteCount, byteCount));
    received[at] = createHash("sha256").update(whole).digest("hex");
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = http2.connect(`http://127.0.0.1:${port}`);
  const uploads = bodies.map(async (body, at) => {
    const stream = client.request({ ":method": "POST", ":path": `/${at}` });
    stream.end(body);
    await once(stream.resume(), "end");
  });

  await Promise.all(uploads);
  client.close();
  server.close();

  expect(received).toEqual(bodies.map((body) => createHash("sha256").update(body).digest("hex")));
  expect(pieces.some(({ byteLength }) => byteLength === 0)).toBe(true);
});
