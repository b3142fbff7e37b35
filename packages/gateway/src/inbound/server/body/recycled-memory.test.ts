import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeRequest } from "../node-http.ts";
import { freeRead, minRecycledBytes } from "./recycled-memory.ts";

const data = 0;
const headers = 1;
const windowUpdate = 8;
const paddedFlag = 8;

interface Frame {
  readonly type: number;
  readonly stream: number;
  readonly byteCount: number;
  /** Bytes of padding that follow the data; undefined if the frame has none. */
  readonly padding?: number | undefined;
}

/** A piece of a body, as node:http2 hands it out: a view of what was read from the connection. */
interface Piece {
  readonly stream: number;
  readonly bytes: Buffer;
}

/** Cuts what a connection sends into reads of these lengths. @returns the pieces of bodies in each */
function packetsOf(frames: readonly Frame[], readBytes: readonly number[]): Piece[][] {
  const wire: Buffer[] = [];
  const owners: { from: number; to: number; stream: number }[] = [];
  let at = 0;
  for (const { type, stream, byteCount, padding } of frames) {
    const isPadded = padding !== undefined;
    const header = Buffer.alloc(9 + (isPadded ? 1 : 0));
    header.writeUIntBE(byteCount + (isPadded ? padding + 1 : 0), 0, 3);
    header[3] = type;
    header[4] = isPadded ? paddedFlag : 0;
    header.writeUInt32BE(stream, 5);
    const from = at + header.length;
    if (type === data && byteCount > 0) owners.push({ from, to: from + byteCount, stream });
    wire.push(header, Buffer.alloc(byteCount, stream), Buffer.alloc(padding ?? 0));
    at = from + byteCount + (padding ?? 0);
  }
  const all = Buffer.concat(wire);
  const packets: Piece[][] = [];
  for (let start = 0, read = 0; start < all.length; read += 1) {
    const packet = Buffer.allocUnsafeSlow(
      Math.min(readBytes[read % readBytes.length] ?? 65_536, all.length - start),
    );
    all.copy(packet, 0, start);
    const end = start + packet.length;
    packets.push(
      owners
        .filter(({ from, to }) => from < end && to > start)
        .map(({ from, to, stream }) => ({
          stream,
          bytes: packet.subarray(Math.max(from, start) - start, Math.min(to, end) - start),
        })),
    );
    start = end;
  }
  return packets;
}

/** A connection of HTTP/2. @returns what is called with each piece that was copied */
function connection(): (piece: Buffer) => void {
  const request = { stream: { session: {} } } as NodeRequest;
  return (piece) => {
    if (piece.buffer.byteLength >= minRecycledBytes) freeRead(request, piece);
  };
}
const dataOf = (stream: number, byteCount: number): Frame => ({ type: data, stream, byteCount });
const other = (type: number, byteCount: number): Frame => ({ type, stream: 9, byteCount });

test.each([
  { title: "one frame", frames: [dataOf(1, 20_000)], isFreed: true },
  { title: "frames of two bodies", frames: [dataOf(1, 9_000), dataOf(3, 9_000)], isFreed: true },
  {
    title: "frames without data between them",
    frames: [dataOf(1, 9_000), other(windowUpdate, 4), other(headers, 90), dataOf(1, 9_000)],
    isFreed: true,
  },
  {
    title: "headers in front, which could be the end of another body",
    frames: [other(headers, 90), dataOf(1, 20_000)],
    isFreed: false,
  },
  {
    title: "a frame behind, which is still to be read",
    frames: [dataOf(1, 20_000), other(windowUpdate, 4)],
    isFreed: false,
  },
  {
    title: "padding",
    frames: [{ ...dataOf(1, 9_000), padding: 20 }, dataOf(1, 9_000)],
    isFreed: false,
  },
])("a packet with $title is freed: $isFreed", ({ frames, isFreed }) => {
  const [pieces = []] = packetsOf(frames, [100_000]);
  const copied = connection();

  for (const { bytes } of pieces) copied(bytes);

  expect(pieces.map(({ bytes }) => bytes.byteLength === 0)).toEqual(pieces.map(() => isFreed));
});

test("a packet stays for a piece that was not copied, wherever it is", () => {
  const [pieces = []] = packetsOf([dataOf(1, 9_000), dataOf(3, 9_000), dataOf(5, 9_000)], [50_000]);
  for (const kept of pieces) {
    const copied = connection();
    for (const piece of pieces) if (piece !== kept) copied(piece.bytes);
  }

  expect(pieces.map(({ bytes }) => bytes.byteLength)).toEqual([9_000, 9_000, 9_000]);
});

test("a frame that is cut by packets is followed through them", () => {
  const packets = packetsOf([dataOf(1, 50_000), dataOf(1, 9_982)], [20_000]);
  const copied = connection();

  for (const { bytes } of packets.flat()) copied(bytes);

  expect(packets.flat().map(({ bytes }) => bytes.byteLength)).toEqual([0, 0, 0, 0]);
});

test("whatever frames come, and however late pieces are read, no memory is freed that is still to be read", () => {
  const frame = fc.record({
    type: fc.constantFrom(data, data, data, headers, windowUpdate),
    stream: fc.integer({ min: 1, max: 4 }),
    byteCount: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 30_000 })),
    padding: fc.oneof(
      { weight: 15, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
    ),
  });
  let freedCount = 0;

  fc.assert(
    fc.property(
      fc.array(frame, { minLength: 1, maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 1, maxLength: 6 }),
      fc.constantFrom("copied", "late", "kept"),
      fc.constantFrom("copied", "late", "kept"),
      fc.integer({ min: 0, max: 3 }),
      (frames, readBytes, first, second, delay) => {
        const copied = connection();
        const ways = ["copied", first, second, "copied", "copied"];
        const unread: Piece[] = [];
        const late: Piece[][] = [];
        const read = ({ stream, bytes }: Piece) => {
          expect(bytes.every((byte) => byte === stream) && bytes.byteLength > 0).toBe(true);
          copied(bytes);
          if (bytes.byteLength === 0) freedCount += 1;
        };
        for (const pieces of packetsOf(frames, readBytes)) {
          const waiting: Piece[] = [];
          for (const piece of pieces) {
            const way = ways[piece.stream];
            if (way === "copied") read(piece);
            else if (way === "late") waiting.push(piece);
            else unread.push(piece);
          }
          late.push(waiting);
          if (late.length > delay) late.shift()?.forEach(read);
        }
        for (const piece of late.flat()) read(piece);
        for (const { stream, bytes } of unread) expect(bytes[0]).toBe(stream);
      },
    ),
    { numRuns: 400 },
  );

  expect(freedCount).toBeGreaterThan(20);
});
