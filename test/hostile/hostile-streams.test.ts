import http2 from "node:http2";
import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ManualClock, manualClock } from "@tensorgate/core/testing";
import { systemClockAndRandom } from "@tensorgate/gateway";
import {
  ClassifyStreamRequestSchema,
  ClassifyStreamResponseSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FakeReplica, type PredictCall, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import {
  failureOf,
  framed,
  openRpc,
  postRpc,
  type RawAnswer,
  type RawRpc,
} from "../support/raw-rpc.ts";
import { type RunningGateway, startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const idleTimeoutMs = 20_000;
const picture = samplePicture("star");
const message = toBinary(
  ClassifyStreamRequestSchema,
  create(ClassifyStreamRequestSchema, {
    modelSpec: { name: "shapes" },
    picture: { id: "a", source: { case: "data", value: picture } },
  }),
);

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);
beforeAll(() => void process.on("unhandledRejection", onUnhandled));
afterAll(() => void process.off("unhandledRejection", onUnhandled));

interface Running extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly replica: FakeReplica;
  readonly running: RunningGateway;
}

async function start(): Promise<Running> {
  const clock = manualClock();
  const replica = await startFakeReplica();
  const running = await startGateway(
    { westeurope: [replica.address] },
    { listen: { port: 0, idleTimeoutMs }, requests: { maxTimeoutMs: 60_000 } },
    { clockAndRandom: { ...systemClockAndRandom, clock } },
  );
  return {
    clock,
    replica,
    running,
    [Symbol.asyncDispose]: async () => {
      const closed = running[Symbol.asyncDispose]();
      clock.advance(1_000);
      await closed;
      await replica[Symbol.asyncDispose]();
    },
  };
}

/** What is in flight, once it has been noticed what left the process of the answers: that is looked at every second. */
function inFlightNow({ running, clock }: Running): number {
  clock.advance(1_000);
  return running.gateway.load().bytesInFlight;
}

const types = ["application/grpc", "application/connect+proto"] as const;
type StreamType = (typeof types)[number];

function openStream({ running }: Running, type: StreamType, timeout?: string): RawRpc {
  return openRpc(running.url, "/tensorgate.v1.ScoringService/ClassifyStream", {
    "content-type": type,
    ...(timeout ? { "grpc-timeout": timeout } : { "x-tensorgate-timeout-ms": "60000" }),
  });
}

/** Sends so many pictures, and waits until as many of them as may be are counted in flight. */
async function send({ running }: Running, rpc: RawRpc, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 1) rpc.stream.write(framed(message));
  const inFlight = Math.min(count, 8) * message.byteLength;
  await expect.poll(() => running.gateway.load().bytesInFlight).toBe(inFlight);
}

/** Answers every `Predict`, until it is called off. */
function answerAll({ replica }: Running): Disposable {
  let isOver = false;
  const answering = async () => {
    for (;;) {
      const call = await replica.nextPredict();
      if (isOver) return;
      answer(call);
    }
  };
  void answering();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
    },
  };
}

function answer(call: PredictCall): void {
  if (!call.stream.destroyed && !call.stream.closed) call.succeed(shapesOutputs());
}

/** The next caller is served, nothing is still counted, and no rejection went by unseen. */
async function expectWell(its: Running): Promise<void> {
  using _answering = answerAll(its);
  await expect.poll(() => inFlightNow(its), { timeout: 5_000 }).toBe(0);
  using rpc = openStream(its, "application/grpc");
  rpc.stream.end(framed(message));
  // A replica that was told to stop counts as busy for a while.
  const answered = await untilAnswered(its, rpc, 50);
  expect(answered.trailers["grpc-status"]).toBe("0");
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
}

/** Lets time pass until the answer begins: its end would be cut by what is meant for callers who go on sending. */
async function untilAnswered({ clock }: Running, rpc: RawRpc, stepMs: number): Promise<RawAnswer> {
  let isOver = rpc.stream.closed;
  rpc.stream.once("response", () => {
    isOver = true;
  });
  while (!isOver) {
    clock.advance(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return await rpc.answer;
}

/** Labels and failures in what came of a stream. */
function responsesIn(body: string): readonly string[] {
  const bytes = Buffer.from(body, "latin1");
  const outcomes: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1);
    const end = at + 5 + length;
    if (bytes[at] === 0) {
      const { result } = fromBinary(ClassifyStreamResponseSchema, bytes.subarray(at + 5, end));
      outcomes.push(result?.outcome.case ?? "none");
    }
    at = end;
  }
  return outcomes;
}

const counts = [0, 1, 7, 8, 9, 17];
const both = counts.flatMap((count) => types.map((type) => ({ count, type })));

describe.each(both)("with $count pictures sent, by $type", ({ count, type }) => {
  test.each([
    { name: "a message that is none", bytes: framed(Buffer.from("no message")) },
    { name: "the message has no picture", bytes: framed(Buffer.alloc(0)) },
    { name: "an unknown flag", bytes: framed(message, 4) },
    { name: "a bomb", bytes: framed(Buffer.alloc(20_000, Uint8Array.of(0x78, 0))) },
    { name: "half a message and the end", bytes: framed(message).subarray(0, 50), isEnd: true },
    { name: "half a prefix and the end", bytes: framed(message).subarray(0, 3), isEnd: true },
  ])("$name fails the stream, whose pictures are given up", async ({ bytes, isEnd }) => {
    await using its = await start();
    using rpc = openStream(its, type);
    await send(its, rpc, count);

    rpc.stream.write(bytes);
    if (isEnd) rpc.stream.end();
    // Where as many are in flight as may be, nothing is read before one is answered.
    for (let over = count - 7; over > 0; over -= 1) answer(await its.replica.nextPredict());

    expect(failureOf(await rpc.answer)).toMatch(/invalid-request|too-large/);
    await expectWell(its);
  });

  test("silence does not end a stream while it works, and does when it has nothing to do", async () => {
    await using its = await start();
    using rpc = openStream(its, type);
    await send(its, rpc, count);

    const inFlight = () => its.running.gateway.load().bytesInFlight;
    if (count > 0) {
      its.clock.advance(idleTimeoutMs * 2);
      for (let left = count; left > 0; left -= 1) answer(await its.replica.nextPredict());
      await expect.poll(() => inFlightNow(its)).toBe(0);
    } else {
      rpc.stream.write(framed(message).subarray(0, 100));
      await expect.poll(inFlight).toBeGreaterThan(0);
    }
    its.clock.advance(idleTimeoutMs);

    const ended = await rpc.answer;
    expect(failureOf(ended)).toContain("deadline-exceeded");
    expect(responsesIn(ended.body)).toHaveLength(count);
    await expectWell(its);
  });

  test("the caller's half-close lets every picture be answered", async () => {
    await using its = await start();
    using rpc = openStream(its, type);
    await send(its, rpc, count);

    rpc.stream.end();
    for (let left = count; left > 0; left -= 1) answer(await its.replica.nextPredict());

    expect(responsesIn((await rpc.answer).body)).toEqual(Array(count).fill("labels"));
    await expectWell(its);
  });

  test.each([
    { name: "a reset", leave: (rpc: RawRpc) => rpc.stream.close(http2.constants.NGHTTP2_CANCEL) },
    { name: "a cut connection", leave: (rpc: RawRpc) => rpc.session.destroy() },
    {
      name: "a connection cut in a message",
      leave: (rpc: RawRpc) => {
        rpc.stream.write(framed(message).subarray(0, 100), () => rpc.session.destroy());
      },
    },
  ])("$name gives its pictures up", async ({ leave }) => {
    await using its = await start();
    using rpc = openStream(its, type);
    await send(its, rpc, count);

    leave(rpc);
    await rpc.answer;

    await expectWell(its);
  });

  test("the end of the gateway's grace time cuts it", async () => {
    await using its = await start();
    using rpc = openStream(its, type);
    await send(its, rpc, count);

    const closed = its.running.gateway.close(2_000);
    its.clock.advance(2_000);
    await closed;

    await rpc.answer;
    await expect.poll(() => inFlightNow(its)).toBe(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  });
});

test.each([1, 8, 9])("a deadline ends a stream with %i pictures sent", async (count) => {
  await using its = await start();
  using rpc = openStream(its, "application/grpc", "500m");
  await send(its, rpc, count);

  const ended = await rpc.answer;

  expect(ended.trailers["grpc-status"] ?? ended.headers["grpc-status"]).toBe("4");
  await expectWell(its);
});

test("messages are given back when they are answered, packed ones too", async () => {
  await using its = await start();
  using rpc = openStream(its, "application/grpc");
  for (let round = 0; round < 20; round += 1) {
    await send(its, rpc, 1);
    answer(await its.replica.nextPredict());
    await expect.poll(() => inFlightNow(its)).toBe(0);
  }
  rpc.stream.end();
  expect(responsesIn((await rpc.answer).body)).toHaveLength(20);
});

test("a packed message counts as what it unpacks to, until it is answered", async () => {
  await using its = await start();
  const inFlight = () => its.running.gateway.load().bytesInFlight;
  using rpc = openRpc(its.running.url, "/tensorgate.v1.ScoringService/ClassifyStream", {
    "content-type": "application/grpc",
    "grpc-encoding": "gzip",
    "x-tensorgate-timeout-ms": "60000",
  });
  const large = toBinary(
    ClassifyStreamRequestSchema,
    create(ClassifyStreamRequestSchema, {
      modelSpec: { name: "shapes" },
      picture: { source: { case: "data", value: Buffer.concat([picture, Buffer.alloc(1e6)]) } },
    }),
  );
  for (let round = 1; round <= 3; round += 1) {
    rpc.stream.write(framed(gzipSync(large), 1));
    await expect.poll(inFlight).toBe(large.byteLength);
    answer(await its.replica.nextPredict());
    await expect.poll(() => inFlightNow(its)).toBe(0);
  }
  rpc.stream.end();
  expect(responsesIn((await rpc.answer).body)).toHaveLength(3);
});

test("what unpacks to more than may be in flight is refused as overload", async () => {
  const replica = await startFakeReplica();
  const running = await startGateway(
    { westeurope: [replica.address] },
    { listen: { port: 0 }, requests: { maxBytesInFlight: 1_000_000 } },
  );
  const body = framed(gzipSync(Buffer.alloc(4_000_000)), 1);
  const headers = { "content-type": "application/grpc", "grpc-encoding": "gzip" };

  const refused = await postRpc(running.url, "/tensorgate.v1.ScoringService/Classify", {
    headers,
    body,
  });

  expect(failureOf(refused)).toContain("overloaded");
  await expect.poll(() => running.gateway.load().bytesInFlight).toBe(0);
  await running[Symbol.asyncDispose]();
  await replica[Symbol.asyncDispose]();
});

test("a caller who is refused and leaves, with a body half read, leaves no connection behind", async () => {
  await using its = await start();
  const { running, clock } = its;
  const body = framed(Buffer.alloc(200_000));
  const headers = { "content-type": "application/grpc" };

  const refused = await postRpc(running.url, "/grpc.health.v1.Health/Check", { headers, body });
  clock.advance(5_000);

  expect(failureOf(refused)).toContain("too-large");
  await expect.poll(() => running.gateway.load().connections).toBe(0);
});
