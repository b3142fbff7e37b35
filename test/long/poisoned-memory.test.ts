import http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { ClassifyRequestSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test, vi } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { shapesModel, startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const poison = 0xee;
let poisonedBytes = 0;

// Memory that is given back is overwritten: whoever still reads it sends a damaged picture.
vi.mock(
  "../../packages/gateway/src/inbound/server/body/recycled-memory.ts",
  async (original: () => Promise<RecycledMemory>) => {
    const memory = await original();
    return {
      ...memory,
      keepMemory: (given: Uint8Array<ArrayBuffer>) => {
        given.fill(poison);
        poisonedBytes += given.byteLength;
        memory.keepMemory(given);
      },
    };
  },
);

type RecycledMemory =
  typeof import("../../packages/gateway/src/inbound/server/body/recycled-memory.ts");

const star = samplePicture("star");

/** A JPEG with comments of one repeated byte, by which it is known. */
function commented(byte: number): Uint8Array<ArrayBuffer> {
  const comment = Buffer.alloc(20_000 + 200 * byte, byte);
  comment.writeUInt16BE(0xff_fe, 0);
  comment.writeUInt16BE(comment.length - 2, 2);
  const comments = Array.from({ length: 1 + (byte % 5) }, () => comment);
  return new Uint8Array(Buffer.concat([star.subarray(0, 2), ...comments, star.subarray(2)]));
}

const rpcPath = "/tensorgate.v1.ScoringService/Classify";

function rpcMessage(picture: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const pictures = [{ source: { case: "data" as const, value: picture } }];
  return toBinary(
    ClassifyRequestSchema,
    create(ClassifyRequestSchema, { modelSpec: { name: "shapes" }, pictures }),
  );
}

/** Sends a call of gRPC. Resolves when its stream is closed. */
function callGrpc(session: http2.ClientHttp2Session, byte: number, leaves?: AbortSignal) {
  const message = rpcMessage(commented(byte));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const stream = session.request({
    ":method": "POST",
    ":path": rpcPath,
    "content-type": "application/grpc",
    te: "trailers",
  });
  leaves?.addEventListener("abort", () => stream.close(http2.constants.NGHTTP2_CANCEL));
  stream.on("error", () => {}).resume();
  stream.end(Buffer.concat([prefix, message]));
  return new Promise((resolve) => stream.once("close", resolve));
}

test.each([
  { transport: "own", cache: false },
  { transport: "own", cache: true },
  { transport: "node", cache: false },
] as const)(
  "no replica gets memory that was given back: $transport, cache $cache",
  async ({ transport, cache }) => {
    const callCount = 200;
    poisonedBytes = 0;
    const received = new Set<number>();
    const damaged: number[] = [];
    const leaving = new Map<number, AbortController>();
    let count = 0;
    const replica = () =>
      startFakeReplica({
        answer: (request) => {
          const tensor = request.input("images");
          const picture = Buffer.from((tensor.dtype === "BYTES" && tensor.elements[0]) || []);
          const byte = picture[100] ?? 0;
          if (!picture.equals(commented(byte))) damaged.push(byte);
          received.add(byte);
          // Some callers leave while their picture is scored.
          leaving.get(byte)?.abort();
          count += 1;
          if (count % 5 === 0) return { code: 14, message: "try another" };
          return shapesOutputs();
        },
      });
    await using first = await replica();
    await using second = await replica();
    await using running = await startGateway(
      { westeurope: [first.address, second.address] },
      {
        models: [{ ...shapesModel(), cache }],
        upstream: { transport },
        routing: { hedgeShare: 0.3, retryShare: 1 },
      },
    );
    const session = http2.connect(running.url);
    let next = 0;

    async function call(): Promise<void> {
      while (next < callCount) {
        next += 1;
        const byte = next;
        const controller = new AbortController();
        if (byte % 7 === 0) leaving.set(byte, controller);
        const { signal } = controller;
        if (byte % 3 === 0) await callGrpc(session, byte, signal);
        else {
          const isRpc = byte % 3 === 1;
          const sent = fetch(running.url + (isRpc ? rpcPath : "/v1/classify/shapes"), {
            method: "POST",
            headers: { "content-type": isRpc ? "application/proto" : "image/jpeg" },
            body: isRpc ? rpcMessage(commented(byte)) : commented(byte),
            signal,
          });
          await sent.then((response) => response.text()).catch(() => "");
        }
      }
    }
    await Promise.all(Array.from({ length: 12 }, call));
    session.destroy();

    expect(damaged).toEqual([]);
    expect(received.size).toBe(callCount);
    expect(poisonedBytes).toBeGreaterThan(1_000_000);
  },
);
