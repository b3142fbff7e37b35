import type { OpenHttp2 } from "../../packages/gateway/src/upstream/transport/http2/contract.ts";
import { openOwnHttp2 } from "../../packages/gateway/src/upstream/transport/http2/own-connection.ts";
import { type CallReport, openScripted } from "../support/http2-calls.ts";
import {
  block,
  continuation,
  data,
  endHeaders,
  endStream,
  frame,
  frameType,
  goaway,
  grpcOk,
  headers,
  indexed,
  literal,
  padded,
  ping,
  reset,
  settings,
  status200,
  tableSize,
  windowUpdate,
} from "../support/http2-frames.ts";
import { below, mutate, pick, type Random, seededRandom } from "./mutate.ts";
import type { FuzzTarget } from "./targets.ts";

/** Requests that each input answers. The last one is longer than the window of a connection. */
const requestBytes = [0, 100, 70_000] as const;
const ids = requestBytes.map((_, at) => at * 2 + 1);

/** How long calls may take once the server has closed the connection, in milliseconds. */
const patienceMs = 10_000;

/** What a client may send beside its requests, in bytes, for each byte of an input. */
const maxEcho = 8;

const bytes = (count: number, random: Random) =>
  Buffer.from(Array.from({ length: count }, () => below(random, 256)));

const fieldsOf = (random: Random): Buffer =>
  pick(random, [
    status200,
    Buffer.concat([status200, literal("x-a", "value", "indexed"), indexed(62)]),
    Buffer.concat([status200, literal(24, { huffman: "aec3771a4b" }), literal("x-b", "")]),
    Buffer.concat([tableSize(below(random, 4_097)), status200, literal(31, "application/grpc")]),
    Buffer.concat([status200, block({ "x-long": "v".repeat(below(random, 3_000)) })]),
    literal(8, { huffman: "6402" }),
  ]);

/** A header block in one frame, or in some. */
function blockFrames(id: number, fields: Buffer, flags: number, random: Random): Buffer[] {
  if (random() < 0.6) return [headers(id, fields, flags | endHeaders)];
  const cut = below(random, fields.length + 1);
  const last = cut + below(random, fields.length - cut + 1);
  return [
    Buffer.concat([
      headers(id, fields.subarray(0, cut), flags),
      continuation(id, fields.subarray(cut, last), 0),
      continuation(id, fields.subarray(last)),
    ]),
  ];
}

function replyFrames(id: number, random: Random): Buffer[] {
  const first = fieldsOf(random);
  const interim = random() < 0.2 ? [headers(id, literal(8, "103"))] : [];
  if (random() < 0.2) return [...interim, ...blockFrames(id, first, endStream, random)];
  const pieces = Array.from({ length: below(random, 4) }, () =>
    random() < 0.3
      ? data(id, Buffer.concat([Buffer.of(2), bytes(5, random), Buffer.alloc(2)]), padded)
      : data(id, bytes(below(random, 2_000), random)),
  );
  const ending = pick(random, [
    () => blockFrames(id, grpcOk, endStream, random),
    () => [data(id, bytes(3, random), endStream)],
    () => [reset(id, 7)],
  ])();
  return [...interim, ...blockFrames(id, first, 0, random), ...pieces, ...ending];
}

const noise = (random: Random): Buffer =>
  pick(random, [
    ping(Buffer.alloc(8)),
    settings({ MAX_CONCURRENT_STREAMS: 1_000, INITIAL_WINDOW_SIZE: 70_000 }),
    settings({ INITIAL_WINDOW_SIZE: below(random, 1_000) }),
    windowUpdate(0, 1 + below(random, 100_000)),
    frame("PRIORITY", 1, { payload: Buffer.alloc(5) }),
    frame(0xbe, below(random, 9), { payload: bytes(9, random) }),
  ]);

/** The frames of a good server: its settings, and a reply to each request, in any order. */
export function validReplies(random: Random): readonly Buffer[] {
  const queues = ids.map((id) => replyFrames(id, random));
  const frames = [settings()];
  while (queues.some((queue) => queue.length > 0)) {
    const next = pick(random, queues).shift();
    if (next) frames.push(next);
    if (random() < 0.1) frames.push(noise(random));
  }
  return frames;
}

function anyFrame(random: Random): Buffer {
  const type = random() < 0.9 ? pick(random, Object.values(frameType)) : below(random, 256);
  const flags = random() < 0.5 ? below(random, 256) : pick(random, [0, endHeaders, endStream]);
  const payload = pick(random, [
    () => bytes(below(random, 20), random),
    () => fieldsOf(random),
    () => Buffer.alloc(pick(random, [0, 4, 5, 6, 8, 12])),
  ])();
  return frame(type, pick(random, [0, 0, 1, 3, 5, 7, 2, 2 ** 31 - 1]), { flags, payload });
}

/** Damages the order of frames, or puts one among them that no good server would send there. */
function mutateFrames(given: readonly Buffer[], random: Random): Buffer[] {
  const frames = [...given];
  for (let count = 1 + below(random, 3); count > 0; count -= 1) {
    const at = below(random, frames.length);
    const [taken = Buffer.alloc(0)] = random() < 0.5 ? frames.splice(at, 1) : [frames[at]];
    const put = pick(random, [taken, anyFrame(random), goaway(below(random, 6), below(random, 3))]);
    if (random() < 0.7) frames.splice(below(random, frames.length + 1), 0, put);
  }
  return frames;
}

function cut(whole: Buffer, random: Random): readonly Buffer[] {
  const pieces: Buffer[] = [];
  const maxPiece = pick(random, [1, 9, 200, whole.length]);
  let at = 0;
  for (let count = 0; at < whole.length && count < 24; count += 1) {
    const end = at + 1 + below(random, maxPiece);
    pieces.push(whole.subarray(at, end));
    at = end;
  }
  return at < whole.length ? [...pieces, whole.subarray(at)] : pieces;
}

export interface RepliedCall extends CallReport {
  readonly hasFailed: boolean;
}

/**
 * Answers three calls by these bytes, in pieces, and closes the connection.
 *
 * @throws if a call does not end, or the connection breaks its contract
 */
export async function repliesBy(
  open: OpenHttp2,
  whole: Buffer,
  random: Random,
): Promise<readonly RepliedCall[]> {
  await using connection = await openScripted(open, { hello: Buffer.alloc(0) });
  const { peer } = connection;
  // A damaged input grants what the rules do not know of.
  peer.rules.isOff = true;
  const calls = requestBytes.map((count) => connection.call({ body: [Buffer.alloc(count)] }));
  await peer.until(() => peer.received("HEADERS").length === calls.length);
  const bytesBefore = peer.socket.bytesRead;
  for (const piece of cut(whole, random)) {
    peer.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  peer.socket.end();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("a call has not ended")), patienceMs);
  try {
    const errors = await Promise.race([late.promise, Promise.all(calls.map(({ ended }) => ended))]);
    await Promise.race([late.promise, connection.closed]);
    const echoBytes = peer.socket.bytesRead - bytesBefore - 70_000;
    if (echoBytes > 10_000 + maxEcho * whole.length)
      throw new Error(`${echoBytes} bytes came back`);
    return calls.map(({ report }, at) => ({ ...report, hasFailed: errors[at] !== undefined }));
  } finally {
    clearTimeout(timer);
  }
}

/** What replicas reply to the gateway over HTTP/2, damaged, and in pieces of any length. */
export const http2Replies: FuzzTarget = {
  name: "http2-replies",
  input: (random) => {
    const frames = validReplies(random);
    if (random() < 0.5) return { bytes: Buffer.concat(mutateFrames(frames, random)) };
    const [first = Buffer.alloc(0), ...others] = frames;
    // Behind the settings there is more to damage.
    return { bytes: Buffer.concat([first, mutate(Buffer.concat(others), random)]) };
  },
  run: async ({ bytes: whole }) => {
    await repliesBy(openOwnHttp2, whole, seededRandom(whole.length));
  },
};
