import type http2 from "node:http2";
import net from "node:net";
import { UpstreamFailedError } from "@tensorgate/core";
import { aCall, manualClock } from "@tensorgate/core/testing";
import { describe, expect, test } from "vitest";
import { reply, startFakeReplica } from "../../../../../test/support/fake-replica.ts";
import { channelDefaults } from "./options.ts";
import { createUnaryChannel } from "./unary-channel.ts";

describe.each(["own", "node"] as const)("over %s HTTP/2", (transport) => {
  function channelTo(address: string) {
    const credentials = { scheme: "http" as const, read: () => ({ tls: {}, headers: {} }) };
    const parts = { address, settings: { ...channelDefaults, transport }, clock: manualClock() };
    const channel = createUnaryChannel({ ...parts, credentials });
    return { ...channel, [Symbol.asyncDispose]: channel.close };
  }

  const grpc = { ":status": 200, "content-type": "application/grpc" };

  /** A replica whose first answer is this one, and which is good after that. */
  async function firstAnswering(answer: (stream: http2.ServerHttp2Stream) => void) {
    let count = 0;
    const server = await startFakeReplica({
      intercept: (stream) => {
        count += 1;
        if (count === 1) answer(stream);
        else reply(stream, Buffer.of(7));
        return true;
      },
    });
    const channel = channelTo(server.address);
    const ask = (call = aCall(), maxReplyBytes?: number) =>
      channel.unary("/Predict", [], { ...call, ...(maxReplyBytes && { maxReplyBytes }) });
    return {
      /** What the first call failed with; the next one is answered, over the same channel. */
      failure: async (maxReplyBytes?: number) => {
        const thrown = await ask(aCall(), maxReplyBytes).catch((error: unknown) => error);
        expect((await ask()).message).toEqual(Buffer.of(7));
        return thrown;
      },
      ask,
      [Symbol.asyncDispose]: async () => {
        await channel[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  test("a reply that is announced as too long is refused by its first five bytes", async () => {
    await using hostile = await firstAnswering((stream) => {
      stream.respond(grpc);
      stream.write(Buffer.of(0, 0xff, 0xff, 0xff, 0xff));
    });

    expect(await hostile.failure()).toMatchObject({
      reason: "upstream-failed",
      wasLost: false,
      message: "the replica's response is too large",
    });
  });

  test("a control reply has its own limit", async () => {
    await using hostile = await firstAnswering((stream) => {
      stream.respond(grpc);
      stream.write(Buffer.of(0, 0, 0x10, 0, 1));
    });

    expect(await hostile.failure(1_048_576)).toMatchObject({
      message: "the replica's response is too large",
    });
  });

  test("a reply that goes on after its message is refused then", async () => {
    await using hostile = await firstAnswering((stream) => {
      stream.respond(grpc);
      stream.write(Buffer.of(0, 0, 0, 0, 1, 7, 7));
    });

    expect(await hostile.failure()).toMatchObject({ reason: "upstream-failed", wasLost: false });
  });

  test("a reply without end costs its caller the deadline, and nothing else", async () => {
    const hasCome = Promise.withResolvers<void>();
    await using hostile = await firstAnswering((stream) => {
      stream.respond(grpc);
      stream.write(Buffer.of(0, 0, 0, 0, 9, 7));
      hasCome.resolve();
    });
    const controller = new AbortController();
    const answer = hostile.ask(aCall({ signal: controller.signal }));
    const late = new Error("the deadline");

    await hasCome.promise;
    controller.abort(late);

    await expect(answer).rejects.toBe(late);
    expect((await hostile.ask()).message).toEqual(Buffer.of(7));
  });

  test.each([
    { where: "headers", headers: { ...grpc, "x-long": "x".repeat(20_000) }, trailers: {} },
    { where: "trailers", headers: grpc, trailers: { "grpc-message": "x".repeat(20_000) } },
    {
      where: "many headers",
      headers: {
        ...grpc,
        ...Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`x-${at}`, ""])),
      },
      trailers: {},
    },
  ])("more than 16 KiB, or 128 pairs, of $where fail the reply", async ({ headers, trailers }) => {
    await using hostile = await firstAnswering((stream) => {
      stream.respond(headers, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", ...trailers }));
      stream.end(Buffer.of(0, 0, 0, 0, 0));
    });

    expect(await hostile.failure()).toBeInstanceOf(UpstreamFailedError);
  });

  test("interim responses without end fail the reply", async () => {
    let sent = 0;
    await using hostile = await firstAnswering((stream) => {
      for (; sent < 100 && !stream.destroyed; sent += 1)
        stream.additionalHeaders({ ":status": 103 });
    });

    expect(await hostile.failure()).toMatchObject({
      message: "the replica sends too many interim responses",
    });
  });

  /** A frame of HTTP/2. @see RFC 9113, section 4.1 */
  function frame(type: number, payload: Buffer, { flags = 0, id = 0 } = {}): Buffer {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.byteLength, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(id, 5);
    return Buffer.concat([head, payload]);
  }

  test.each([
    { what: "SETTINGS", flood: frame(4, Buffer.alloc(0)) },
    { what: "PING", flood: frame(6, Buffer.alloc(8)) },
    { what: "ALTSVC", flood: frame(10, Buffer.of(0, 1, 97, 97)) },
    { what: "empty DATA", flood: frame(0, Buffer.alloc(0), { id: 1 }) },
    { what: "PUSH_PROMISE", flood: frame(5, Buffer.of(0, 0, 0, 2, 0x82), { flags: 4, id: 1 }) },
  ])("a flood of $what ends the connection", async ({ flood }) => {
    const many = Buffer.concat(Array<Buffer>(4_000).fill(flood));
    const isCut = Promise.withResolvers<void>();
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("close", () => isCut.resolve());
      socket.once("data", () => {
        socket.resume();
        socket.write(frame(4, Buffer.alloc(0)));
        socket.write(frame(1, Buffer.of(0x88), { flags: 4, id: 1 }));
        const pump = () => {
          while (!socket.destroyed) if (!socket.write(many)) return void socket.once("drain", pump);
        };
        pump();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    await using channel = channelTo(`127.0.0.1:${port}`);

    const answer = channel.unary("/Predict", [], aCall());

    await expect(answer).rejects.toMatchObject({ reason: "upstream-failed" });
    await isCut.promise;
    server.close();
  });
});
