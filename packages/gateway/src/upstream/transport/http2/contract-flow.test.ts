import { describe, expect, test } from "vitest";
import { http2Implementations, openScripted } from "../../../../../../test/support/http2-calls.ts";
import {
  data,
  endHeaders,
  endStream,
  grpcOk,
  headers,
  reset,
  settings,
  status200,
  windowUpdate,
} from "../../../../../../test/support/http2-frames.ts";
import type { RawPeer } from "../../../../../../test/support/raw-http2-server.ts";

// Windows, the number of streams, and replies that come before their request has ended. The scripted server finds fault
// with every DATA over a window, and with every stream too many.

const end = endHeaders | endStream;
const code = { NO_ERROR: 0, CANCEL: 8 };

/** Bytes that tell where they stand. */
function numbered(byteCount: number): Buffer {
  const bytes = Buffer.alloc(byteCount);
  for (let at = 0; at + 4 <= byteCount; at += 4) bytes.writeUInt32BE(at, at);
  return bytes;
}

/** Resolves when the client has sent so many bytes of the body, and no more. */
async function stalledAt(peer: RawPeer, id: number, byteCount: number): Promise<void> {
  await peer.until(() => peer.bodySoFar(id).length >= byteCount);
  // Whatever was sent before the answer to a ping arrives before it.
  peer.send(Buffer.from("0000080600000000000102030405060708", "hex"));
  await peer.next("PING");
  expect(peer.bodySoFar(id)).toHaveLength(byteCount);
}

const answer = (peer: RawPeer, id: number) => peer.send(headers(id, status200, end));

describe.each(http2Implementations)("$name", ({ name: implementation, open }) => {
  test("a body is sent as its windows open, byte by byte", async () => {
    const body = numbered(65_535 + 40);
    await using connection = await openScripted(open);
    const { peer } = connection;
    const call = connection.call({ body: [body.subarray(0, 10), body.subarray(10)] });
    await stalledAt(peer, 1, 65_535);
    expect(call.stream.mayReadBody).toBe(true);

    // Either window alone does not suffice.
    peer.send(windowUpdate(0, 1_000));
    await stalledAt(peer, 1, 65_535);
    for (let count = 1; count <= 20; count += 1) {
      peer.send(windowUpdate(1, 1));
      await stalledAt(peer, 1, 65_535 + count);
    }
    peer.send(windowUpdate(1, 1_000));
    expect(await peer.requestBody(1)).toEqual(body);
    answer(peer, 1);
    expect(await call.ended).toBeUndefined();
    expect(call.stream.mayReadBody).toBe(false);
  });

  test("the window of the connection is shared by its streams", async () => {
    const body = numbered(50_000);
    await using connection = await openScripted(open);
    const { peer } = connection;
    const calls = [1, 3, 5].map(() => connection.call({ body: [body] }));
    const sent = () => [1, 3, 5].reduce((sum, id) => sum + peer.bodySoFar(id).length, 0);
    await peer.until(() => sent() === 65_535);
    for (let more = 100_000; sent() < 150_000; more -= 10_000) {
      const target = Math.min(150_000, sent() + 10_000);
      peer.send(windowUpdate(0, 10_000));
      await peer.until(() => sent() === target);
      if (more < 0) throw new Error("bodies are not sent");
    }
    for (const [at, call] of calls.entries()) {
      const id = at * 2 + 1;
      expect(await peer.requestBody(id)).toEqual(body);
      answer(peer, id);
      expect(await call.ended).toBeUndefined();
    }
  });

  test("a window that the settings shrink below 0 stops the body, until it is above 0 again", async () => {
    const body = numbered(65_535 + 100);
    await using connection = await openScripted(open);
    const { peer } = connection;
    const call = connection.call({ body: [body] });
    await stalledAt(peer, 1, 65_535);
    peer.send(windowUpdate(0, 100_000), settings({ INITIAL_WINDOW_SIZE: 0 }));
    // Its window is -65,535 now.
    peer.send(windowUpdate(1, 65_535));
    await stalledAt(peer, 1, 65_535);
    peer.send(windowUpdate(1, 30));
    await stalledAt(peer, 1, 65_565);
    // A stream that is opened now has no window.
    const other = connection.call({ body: [body.subarray(0, 10)] });
    await peer.next("HEADERS", 3);
    await stalledAt(peer, 3, 0);
    peer.send(settings({ INITIAL_WINDOW_SIZE: 5 }));
    await stalledAt(peer, 1, 65_570);
    await stalledAt(peer, 3, 5);
    peer.send(settings({ INITIAL_WINDOW_SIZE: 1_000 }));
    expect(await peer.requestBody(1)).toEqual(body);
    expect(await peer.requestBody(3)).toEqual(body.subarray(0, 10));
    answer(peer, 1);
    answer(peer, 3);
    expect(await call.ended).toBeUndefined();
    expect(await other.ended).toBeUndefined();
  });

  test("a window of the first settings counts, and a body without bytes needs none", async () => {
    const hello = settings({ INITIAL_WINDOW_SIZE: 0 });
    await using connection = await openScripted(open, { hello });
    const { peer } = connection;
    // Settings that were acknowledged have been read.
    await peer.next("SETTINGS");
    await peer.next("SETTINGS");
    const empty = connection.call({ body: [Buffer.alloc(0), Buffer.alloc(0)] });
    // Node ends a body by an empty DATA, which waits for a window.
    if (implementation === "node") peer.send(windowUpdate(1, 1));
    expect(await peer.requestBody(1)).toHaveLength(0);
    const call = connection.call({ body: [numbered(8)] });
    await peer.next("HEADERS", 3);
    await stalledAt(peer, 3, 0);
    peer.send(windowUpdate(3, 8));
    expect(await peer.requestBody(3)).toEqual(numbered(8));
    answer(peer, 1);
    answer(peer, 3);
    expect(await empty.ended).toBeUndefined();
    expect(await call.ended).toBeUndefined();
  });

  test("a large body in many pieces arrives whole, in frames of the size that is allowed", async () => {
    const body = numbered(600_000);
    const hello = settings({ INITIAL_WINDOW_SIZE: 1_000_000, MAX_FRAME_SIZE: 100_000 });
    await using connection = await openScripted(open, { hello });
    const { peer } = connection;
    await peer.next("SETTINGS");
    await peer.next("SETTINGS");
    peer.send(windowUpdate(0, 1_000_000));
    const cuts = [0, 5, 6, 6, 30_000, 30_001, 400_000, body.length];
    const pieces = cuts.slice(1).map((cut, at) => body.subarray(cuts[at], cut));
    const call = connection.call({ body: pieces });
    expect(await peer.requestBody(1)).toEqual(body);
    answer(peer, 1);
    expect(await call.ended).toBeUndefined();
  });

  test("a large reply is taken within the windows that are offered", async () => {
    const body = numbered(500_000);
    await using connection = await openScripted(open, { windowBytes: 100_000 });
    const { peer } = connection;
    const call = connection.call();
    await peer.requestBody(1);
    await peer.until(() => peer.rules.replyConnectionWindow >= 99_000);
    expect(peer.rules.replyWindow(1)).toBe(100_000);
    peer.send(headers(1, status200));
    await peer.sendBody(1, body);
    peer.send(headers(1, grpcOk, end));

    expect(await call.ended).toBeUndefined();
    expect(call.report.body).toEqual(body);
    expect(peer.received("WINDOW_UPDATE", 1)).not.toHaveLength(0);
    expect(peer.received("WINDOW_UPDATE", 0)).not.toHaveLength(0);
  });

  test("padding, and what comes for cancelled calls, is given back to the window of the connection", async () => {
    await using connection = await openScripted(open);
    const { peer } = connection;
    const cancelled = connection.call();
    await peer.requestBody(1);
    peer.send(headers(1, status200));
    await cancelled.until(({ headers: received }) => received !== undefined);
    cancelled.cancel();
    await peer.next("RST_STREAM", 1);
    // The server does not know yet.
    await peer.sendBody(1, numbered(60_000));
    const call = connection.call();
    await peer.requestBody(3);
    peer.send(headers(3, status200));
    await peer.sendBody(3, numbered(60_000));
    const padding = Buffer.concat([Buffer.of(255), Buffer.alloc(255)]);
    for (let count = 0; count < 300; count += 1) {
      await peer.until(() => peer.rules.replyWindow(3) >= padding.length);
      peer.send(data(3, padding, 8));
    }
    peer.send(headers(3, grpcOk, end));

    expect(await call.ended).toBeUndefined();
    expect(call.report.body).toEqual(numbered(60_000));
  });

  describe("of calls that share one stream at a time", () => {
    const hello = settings({ MAX_CONCURRENT_STREAMS: 1 });

    test("all are answered, one after another", async () => {
      await using connection = await openScripted(open, { hello });
      const { peer } = connection;
      await peer.next("SETTINGS");
      await peer.next("SETTINGS");
      const calls = Array.from({ length: 5 }, (_, at) =>
        connection.call({ path: `/${at}`, body: [Buffer.of(at)] }),
      );
      for (const [at, call] of calls.entries()) {
        const { id } = await peer.next("HEADERS");
        expect(await peer.requestBody(id)).toEqual(Buffer.of(at));
        expect(peer.received("HEADERS")).toHaveLength(at + 1);
        answer(peer, id);
        expect(await call.ended).toBeUndefined();
      }
    });

    test("one that is cancelled while it waits is never sent", async () => {
      await using connection = await openScripted(open, { hello });
      const { peer } = connection;
      await peer.next("SETTINGS");
      await peer.next("SETTINGS");
      const first = connection.call({ body: [Buffer.of(0)] });
      const waiting = connection.call({ body: [Buffer.of(1)] });
      const last = connection.call({ body: [Buffer.of(2)] });
      const { id } = await peer.next("HEADERS");
      await peer.requestBody(id);
      if (implementation === "own") expect(waiting.stream.id).toBeUndefined();
      expect(waiting.stream.mayReadBody).toBe(true);
      waiting.cancel();
      answer(peer, id);
      expect(await first.ended).toBeUndefined();

      const next = await peer.next("HEADERS");
      expect(await peer.requestBody(next.id)).toEqual(Buffer.of(2));
      answer(peer, next.id);
      expect(await last.ended).toBeUndefined();
      expect(peer.received("HEADERS")).toHaveLength(2);
    });

    test("the next one is sent when the one before is cancelled or reset", async () => {
      await using connection = await openScripted(open, { hello });
      const { peer } = connection;
      await peer.next("SETTINGS");
      await peer.next("SETTINGS");
      const [first, second, third] = [1, 2, 3].map(() => connection.call());
      const { id } = await peer.next("HEADERS");
      first?.cancel();
      await peer.next("RST_STREAM", id);
      const next = await peer.next("HEADERS");
      peer.send(reset(next.id, code.CANCEL));
      const error = await second?.ended;
      // Node does not tell RST_STREAM(CANCEL) from the end of a reply.
      if (implementation === "own") expect(error).toBeInstanceOf(Error);
      expect(second?.report.headers).toBeUndefined();
      const last = await peer.next("HEADERS");
      answer(peer, last.id);
      expect(await third?.ended).toBeUndefined();
    });

    test("those that wait are sent when more are allowed", async () => {
      await using connection = await openScripted(open, { hello });
      const { peer } = connection;
      await peer.next("SETTINGS");
      await peer.next("SETTINGS");
      const calls = Array.from({ length: 4 }, () => connection.call());
      const first = await peer.next("HEADERS");
      peer.send(settings({ MAX_CONCURRENT_STREAMS: 4 }));
      const others = [
        await peer.next("HEADERS"),
        await peer.next("HEADERS"),
        await peer.next("HEADERS"),
      ];
      for (const { id } of [...others, first]) answer(peer, id);
      for (const call of calls) expect(await call.ended).toBeUndefined();
    });

    test("those that wait end with the connection", async () => {
      await using connection = await openScripted(open, { hello });
      const { peer } = connection;
      await peer.next("SETTINGS");
      await peer.next("SETTINGS");
      const calls = Array.from({ length: 3 }, () => connection.call({ body: [Buffer.of(1)] }));
      await peer.next("HEADERS");
      peer.socket.destroy();
      await connection.closed;
      for (const call of calls) await call.ended;
    });
  });

  describe("a reply before the upload has ended", () => {
    const body = numbered(200_000);

    test.each<{ behind: string; frames: readonly Buffer[] }>([
      { behind: "nothing", frames: [] },
      { behind: "RST_STREAM(NO_ERROR)", frames: [reset(1, code.NO_ERROR)] },
    ])("is reported as a whole, with $behind behind it", async ({ frames }) => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const call = connection.call({ body: [body] });
      await peer.until(() => peer.bodySoFar(1).length === 65_535);
      peer.send(headers(1, status200), data(1, Buffer.from("early")), headers(1, grpcOk, end));
      peer.send(...frames);

      expect(await call.ended).toBeUndefined();
      expect(call.report).toMatchObject({
        headers: { ":status": "200" },
        body: Buffer.from("early"),
        trailers: { "grpc-status": "0" },
      });
      // The connection goes on, and what was not sent of the first body is not sent.
      peer.send(windowUpdate(0, 1_000_000));
      const next = connection.call({ body: [body.subarray(0, 100)] });
      expect(await peer.requestBody(3)).toEqual(body.subarray(0, 100));
      answer(peer, 3);
      expect(await next.ended).toBeUndefined();
      expect(peer.bodySoFar(1)).toHaveLength(65_535);
    });

    test("frees its stream at the server by RST_STREAM", async () => {
      await using connection = await openScripted(open);
      const { peer } = connection;
      const call = connection.call({ body: [body] });
      await peer.until(() => peer.bodySoFar(1).length === 65_535);
      answer(peer, 1);

      expect(await call.ended).toBeUndefined();
      await peer.next("RST_STREAM", 1);
    });
  });
});
