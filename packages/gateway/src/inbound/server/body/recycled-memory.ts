import type { Http2Session } from "node:http2";
import type { NodeRequest } from "../node-http.ts";

/** Shortest memory that is kept for other bodies, in bytes. */
export const minRecycledBytes = 16_384;

/** Longest memory that is kept, and most that is kept in all, in bytes. */
const maxRecycledBytes = 4_194_304;
const maxIdleBytes = 16_777_216;

/**
 * Memory of bodies that were answered, by its length. A collector that counts another 100 KB with each request runs
 * so often that it costs more than everything else that is done with a picture.
 */
const idle = new Map<number, Uint8Array<ArrayBuffer>[]>();
let idleBytes = 0;

/**
 * Takes memory for a body, which may be an eighth longer than it: bodies of about the same length share theirs.
 *
 * @param byteCount - at least `minRecycledBytes`
 */
export function takeMemory(byteCount: number): Uint8Array<ArrayBuffer> {
  const length = recycledLength(byteCount);
  const found = idle.get(length)?.pop();
  if (!found) return Buffer.allocUnsafeSlow(length);
  idleBytes -= length;
  return found;
}

/** Keeps memory of at least `minRecycledBytes`, if it is as long as what bodies get and there is room for it. */
export function keepMemory(given: Uint8Array<ArrayBuffer>): void {
  const { length } = given;
  if (length > maxRecycledBytes || length !== recycledLength(length)) return;
  if (idleBytes + length > maxIdleBytes) return;
  idleBytes += length;
  const ofLength = idle.get(length);
  if (ofLength) ofLength.push(given);
  else idle.set(length, [given]);
}

/** Rounds up to a multiple of an eighth of the next lower power of two. */
function recycledLength(byteCount: number): number {
  if (byteCount > maxRecycledBytes) return byteCount;
  const step = 1 << (28 - Math.clz32(byteCount));
  return Math.ceil(byteCount / step) * step;
}

/**
 * Frees the memory that a piece came in, if nothing in it is left to be read. The collector would free it later, and
 * meanwhile each piece is in other memory, none of which the processor has in its cache.
 *
 * @param piece - just copied; its memory has at least `minRecycledBytes`, so that no body keeps it as it is
 */
export function freeRead(request: NodeRequest, piece: Buffer): void {
  const { buffer, byteLength } = piece;
  if (!(buffer instanceof ArrayBuffer)) return;
  if ("stream" in request) {
    const { session } = request.stream;
    if (session && isPacketRead(session, buffer, piece)) buffer.transfer(0);
  } else if (byteLength === buffer.byteLength) buffer.transfer(0);
}

const packetKey: unique symbol = Symbol("packet");

type PacketSession = Http2Session & { [packetKey]?: Packet };

/** What one read of an HTTP/2 connection gave: one memory, which the frames in it share. */
interface Packet {
  memory: ArrayBuffer | undefined;
  /** Bytes from its start that nothing reads any more; `lost` where something in it may still be read. */
  doneTo: number;
}

const lost = -1;

/** @see RFC 9113, sections 4.1 and 6.1 */
const frameHeaderBytes = 9;
const frameTypeAt = 3;
const dataType = 0;

/**
 * Whether this piece is the last of its packet, and no byte of the packet is left to be read: all its frames of data
 * were seen here, one after the other, from its first byte to its last. What is not seen, such as padding, a piece of
 * a stream that is paused, or one that another reader keeps, leaves it to the collector.
 *
 * @see docs/decisions/0090-packets-are-freed.md
 */
function isPacketRead(
  session: PacketSession,
  memory: ArrayBuffer,
  { byteOffset, byteLength }: Buffer,
): boolean {
  session[packetKey] ??= { memory: undefined, doneTo: lost };
  const packet = session[packetKey];
  if (packet.memory !== memory) {
    packet.memory = memory;
    // What comes before the first piece may be the end of another's, unless it is that piece's own header.
    packet.doneTo = byteOffset === 0 || byteOffset === frameHeaderBytes ? byteOffset : lost;
  } else if (packet.doneTo !== lost) {
    packet.doneTo = hasNoDataBetween(memory, packet.doneTo, byteOffset) ? byteOffset : lost;
  }
  if (packet.doneTo === lost) return false;
  packet.doneTo += byteLength;
  if (packet.doneTo < memory.byteLength) return false;
  packet.memory = undefined;
  return true;
}

/** Whether only whole frames without data are between the end of a frame and the header of the piece at `to`. */
function hasNoDataBetween(memory: ArrayBuffer, from: number, to: number): boolean {
  if (from + frameHeaderBytes === to) return true;
  const bytes = Buffer.from(memory);
  let at = from;
  while (at + frameHeaderBytes < to && bytes[at + frameTypeAt] !== dataType) {
    at += frameHeaderBytes + bytes.readUIntBE(at, 3);
  }
  return at + frameHeaderBytes === to;
}
