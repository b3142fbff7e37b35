import http2 from "node:http2";
import net from "node:net";
import { type ScoringError, UpstreamAnsweredError, UpstreamFailedError } from "@tensorgate/core";
import { aCall, manualClock } from "@tensorgate/core/testing";
import { describe, expect, test } from "vitest";
import { type PredictCall, startFakeReplica } from "../../../../../test/support/fake-replica.ts";
import { channelDefaults } from "./options.ts";
import { createUnaryChannel, type UnaryChannel } from "./unary-channel.ts";

describe.each(["own", "node"] as const)("over %s HTTP/2", (transport) => {
  function channelTo(address: string, maxMessageBytes = 1_000) {
    const credentials = { scheme: "http" as const, read: () => ({ tls: {}, headers: {} }) };
    const settings = { ...channelDefaults, maxMessageBytes, transport };
    const clock = manualClock();
    const channel = createUnaryChannel({ address, credentials, settings, clock });
    return { ...channel, clock, [Symbol.asyncDispose]: channel.close };
  }

  const ask = ({ unary }: Pick<UnaryChannel, "unary">) => unary("/Predict", [], aCall());
  const failureOf = (answer: Promise<unknown>): Promise<unknown> =>
    answer.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  const facts = { wasLost: false, isUnprocessed: false, isFull: false };
  const sessionOf = ({ stream }: PredictCall) => stream.session as http2.ServerHttp2Session;

  test("no server at the address: never sent", async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await using channel = channelTo(`127.0.0.1:${port}`);

    expect(await failureOf(ask(channel))).toMatchObject({
      ...facts,
      wasLost: true,
      isUnprocessed: true,
    });
  });

  test("a connection that breaks after the call has left: lost, and it may have been seen", async () => {
    await using server = await startFakeReplica();
    await using channel = channelTo(server.address);
    const failed = failureOf(ask(channel));

    sessionOf(await server.nextPredict()).destroy();

    expect(await failed).toMatchObject({ ...facts, wasLost: true });
  });

  test("a connection that breaks before the other side said a word may have brought the call there", async () => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.resetAndDestroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    await using channel = channelTo(`127.0.0.1:${port}`);

    expect(await failureOf(ask(channel))).toMatchObject({ ...facts, wasLost: true });
    server.close();
  });

  test("a refused stream was not looked at", async () => {
    await using server = await startFakeReplica();
    await using channel = channelTo(server.address);
    const failed = failureOf(ask(channel));

    (await server.nextPredict()).stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);

    expect(await failed).toMatchObject({ ...facts, wasLost: true, isUnprocessed: true });
  });

  test("a server that wants calm is called over another connection, and finishes what it has", async () => {
    await using server = await startFakeReplica();
    await using channel = channelTo(server.address);
    const answered = ask(channel);
    const first = await server.nextPredict();
    const failed = failureOf(ask(channel));
    (await server.nextPredict()).stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    expect(await failed).toMatchObject({ ...facts, wasLost: true });

    const again = ask(channel);
    const onFreshConnection = await server.nextPredict();
    expect(sessionOf(onFreshConnection)).not.toBe(sessionOf(first));
    onFreshConnection.answer(0);
    await again;
    first.answer(0);
    await answered;
  });

  test.each([
    ["answered", (call: PredictCall) => call.answer(0)],
    ["failed", (call: PredictCall) => call.answer(13)],
    ["reset", (call: PredictCall) => call.stream.close(http2.constants.NGHTTP2_CANCEL)],
    ["aborted", (_call: PredictCall, cancelling: AbortController) => cancelling.abort("left")],
  ])(
    "a channel that closes waits for each of its calls once: others were %s",
    async (_how, end) => {
      await using server = await startFakeReplica();
      await using channel = channelTo(server.address);
      const cancelling = new AbortController();
      const call = { ...aCall(), signal: cancelling.signal };
      const ended = [1, 2].map(() => channel.unary("/Predict", [], call));
      const first = [await server.nextPredict(), await server.nextPredict()];
      const last = ask(channel);
      const waiting = await server.nextPredict();
      for (const each of first) end(each, cancelling);
      await Promise.allSettled(ended);

      let isClosed = false;
      const closed = channel.close().then(() => {
        isClosed = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(isClosed).toBe(false);
      waiting.answer(0);
      await last;
      await closed;
    },
  );

  test("a connection is not used up by what cancelled calls have not sent", async () => {
    const opened = Promise.withResolvers<void>();
    await using server = await startFakeReplica({
      intercept: (_stream, { ":path": path }) => {
        if (path === "/Upload") opened.resolve();
        return path === "/Upload";
      },
    });
    await using channel = channelTo(server.address);
    const picture = [new Uint8Array(2 ** 27)];
    const cancelling = new AbortController();
    const call = { ...aCall(), signal: cancelling.signal };
    const uploads = Array.from({ length: 9 }, () => channel.unary("/Upload", picture, call));
    await opened.promise;
    cancelling.abort(new Error("cancelled"));
    await Promise.allSettled(uploads);

    const answered = ask(channel);
    (await server.nextPredict()).answer(0);
    await answered;
  });

  test("a server that goes away finishes what it says it will; the rest was not looked at", async () => {
    await using server = await startFakeReplica();
    await using channel = channelTo(server.address);
    const answered = ask(channel);
    const first = await server.nextPredict();
    const failed = failureOf(ask(channel));
    await server.nextPredict();

    sessionOf(first).goaway(http2.constants.NGHTTP2_NO_ERROR, first.stream.id);
    expect(await failed).toMatchObject({ ...facts, isUnprocessed: true });
    first.answer(0);
    expect((await answered).message).toHaveLength(0);

    const again = ask(channel);
    const onFreshConnection = await server.nextPredict();
    expect(sessionOf(onFreshConnection)).not.toBe(sessionOf(first));
    onFreshConnection.answer(0);
    await again;
  });

  test("a server that goes away in anger tells as well how far it got", async () => {
    await using server = await startFakeReplica();
    await using channel = channelTo(server.address);
    const seen = failureOf(ask(channel));
    const first = await server.nextPredict();
    const notSeen = failureOf(ask(channel));
    await server.nextPredict();

    sessionOf(first).goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, first.stream.id);

    expect(await seen).toMatchObject({ ...facts, wasLost: true });
    expect(await notSeen).toMatchObject({ ...facts, wasLost: true, isUnprocessed: true });
  });

  test.each([
    { code: 14, message: "", is: facts },
    { code: 8, message: "OOM when allocating tensor", is: { ...facts, isFull: true } },
  ])("status $code says that the replica failed", async ({ code, message, is }) => {
    const failure = await failureOfStatus(code, message);

    expect(failure).toBeInstanceOf(UpstreamFailedError);
    expect(failure).toMatchObject(is);
  });

  test.each([
    { code: 3, message: "no such input" },
    { code: 8, message: "SERVER: Received message larger than max (5000000 vs. 4194304)" },
    { code: 8, message: "gRPC message exceeds maximum size 4194304: 5000000" },
  ])("status $code says that the request is at fault: $message", async ({ code, message }) => {
    const failure = await failureOfStatus(code, message);

    expect(failure).toBeInstanceOf(UpstreamAnsweredError);
    expect(failure).toMatchObject({ grpcCode: code, message });
  });

  async function failureOfStatus(code: number, message: string): Promise<ScoringError> {
    await using server = await startFakeReplica();
    await using channel = channelTo(server.address);
    const failed = failureOf(ask(channel));
    (await server.nextPredict()).answer(code, message);
    return (await failed) as ScoringError;
  }

  test("a reply that is too long is a failure of the replica, not of its connection", async () => {
    await using server = await startFakeReplica();
    await using channel = channelTo(server.address, 10);
    const failed = failureOf(ask(channel));
    const { stream } = await server.nextPredict();
    stream.respond({ "content-type": "application/grpc" });
    stream.end(Buffer.concat([Buffer.of(0, 0, 0, 0, 95), Buffer.alloc(95)]));

    expect(await failed).toMatchObject({
      ...facts,
      message: "the replica's response is too large",
    });
  });

  test("only calls without work tell how far away the server is, unless a connection had to be made for them", async () => {
    await using server = await startFakeReplica();
    await using channel = channelTo(server.address);
    const took = async (durationMs: number, isMeasured: boolean) => {
      const answered = channel.unary("/Predict", [], { ...aCall(), isMeasured });
      const call = await server.nextPredict();
      channel.clock.advance(durationMs);
      call.answer(0);
      await answered;
    };

    await took(100, true);
    expect(channel.roundTripMs()).not.toBe(100);
    await took(60, true);
    await took(50, true);
    expect(channel.roundTripMs()).toBe(50);
    await took(10, false);

    expect(channel.roundTripMs()).toBe(50);
  });

  test.each([
    { remainingMs: 10, reason: "deadline-exceeded" },
    { remainingMs: 500, reason: "upstream-failed" },
  ])(
    "a server that says the deadline has passed $remainingMs ms before it has: $reason",
    async ({ remainingMs, reason }) => {
      await using server = await startFakeReplica();
      await using channel = channelTo(server.address);
      const failed = failureOf(ask(channel));
      const { answer } = await server.nextPredict();

      channel.clock.advance(1_000 - remainingMs);
      answer(4, "Deadline Exceeded");

      expect(await failed).toMatchObject({ reason });
    },
  );
});
