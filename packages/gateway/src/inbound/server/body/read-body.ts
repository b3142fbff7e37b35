import { setImmediate } from "node:timers/promises";
import { CancelledError } from "@tensorgate/core";
import type { NodeRequest } from "../node-http.ts";
import type { BodyUsage } from "./body-budget.ts";
import { bodyTooLarge, notAsDeclared } from "./body-faults.ts";

/** Puts a body together from its pieces as they come. */
export interface BodySink {
  /**
   * Takes a copy of the piece, whose memory is freed afterwards if it is long.
   *
   * @param reserve - called with each further amount of memory that is needed, in bytes, before it is taken
   * @throws ScoringError if the body cannot be read with this piece
   */
  push(piece: Buffer, reserve: (byteCount: number) => void): void;
  /**
   * Called once, at the end of the body. @returns the whole of it
   *
   * @throws ScoringError if something is missing
   */
  end(): Uint8Array | Promise<Uint8Array>;
  /** Frees the memory immediately: under overload the collector would take its time. */
  free(): void;
  /** Leaves the memory to the bodies that follow. Nothing may read it any more, neither here nor in a pending write. */
  recycle(): void;
}

/**
 * Takes a whole body into memory that follows what has come: what is only declared costs nothing.
 *
 * @param declaredBytes - what `content-length` says; NaN where it says nothing
 */
export function wholeBody(maxBytes: number, declaredBytes: number): GrowingBuffer {
  if (declaredBytes > maxBytes) throw bodyTooLarge(maxBytes);
  return Number.isNaN(declaredBytes)
    ? createGrowingBuffer("at-most", maxBytes, () => bodyTooLarge(maxBytes))
    : createGrowingBuffer("exactly", declaredBytes, (bytes) => notAsDeclared(bytes, declaredBytes));
}

/** Reads a whole body into `sink`. */
export function readBody(
  request: NodeRequest,
  usage: BodyUsage,
  sink: BodySink,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  // Frames of one packet share their memory, which nghttp2 reads on.
  const isShared = "stream" in request;
  let isOver = false;

  function failWith(error: unknown): void {
    if (isOver) return;
    isOver = true;
    request.off("data", onData);
    request.pause();
    sink.free();
    reject(error);
  }

  function onGone(): void {
    failWith(new CancelledError("the client closed the request"));
  }

  function onData(chunk: Buffer): void {
    usage.arrived(chunk.length);
    try {
      sink.push(chunk, usage.reserve);
      if (!isShared) freePiece(chunk);
    } catch (thrown) {
      failWith(thrown);
    }
  }

  usage.onFailure(failWith);
  request.on("data", onData);
  // node:http2 ends a cut upload as if it were whole: only the count and `aborted` show it.
  request.on("end", () => {
    usage.complete();
    if (isOver) return;
    if (isCut(request)) return onGone();
    try {
      resolve(sink.end());
      isOver = true;
    } catch (thrown) {
      failWith(thrown);
    }
  });
  request.on("error", onGone);
  request.on("close", () => {
    // Every request is closed at its end; an error has a stack, which costs more than all of this.
    if (!request.readableEnded) onGone();
  });
  return promise;
}

/**
 * Frees the memory of a piece that was copied, if that is all its own. The collector would free it later, and meanwhile
 * each piece is in other memory, none of which the processor has in its cache: see
 * `docs/decisions/0080-pieces-of-bodies-are-freed.md`.
 */
function freePiece({ buffer, byteLength }: Buffer): void {
  if (byteLength < recycled.minBytes || byteLength < buffer.byteLength) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** Whether what came of the body is not all: node:http2 ends a cut upload as if it were whole. */
export function isCut(request: NodeRequest): boolean {
  return "stream" in request ? request.stream.aborted : !request.complete;
}

/** Bytes put together from pieces, in memory that follows what has come. A short piece that is all of it is taken as it is. */
export interface GrowingBuffer extends BodySink {
  /** Bytes that have come. */
  readonly byteLength: number;
  /** Bytes of memory that they take: all that was reserved. */
  readonly capacity: number;
  /** Bytes that have been copied so far from smaller memory to larger. */
  readonly movedBytes: number;
  push(piece: Uint8Array, reserve: (byteCount: number) => void): void;
}

/** Bytes of memory that the first piece gets at least, where so many are expected. */
const minBytes = 4_096;

/**
 * How many times as much memory as bytes that have come is taken ahead. Where the length is known, none of it is left
 * over in the end, and a picture that comes in a few pieces of 64 KiB gets all of it with the first.
 */
const growthTo = { exactly: 4, "at-most": 2 } as const;

/**
 * Most bytes that are moved at a time. The first touch of memory costs several times as much as a copy, so that 16 MiB
 * at once would block the event loop for tens of milliseconds; this much takes less than one.
 */
export const maxMovedBytes = 1_048_576;

/** Bytes that are moved with each byte that comes: the move has ended long before the memory is full again. */
const movedPerByte = 8;

const empty = Buffer.alloc(0);

/** Shortest and longest memory that is kept for other bodies, and most that is kept in all, in bytes. */
const recycled = { minBytes: 16_384, maxBytes: 4_194_304, maxIdleBytes: 16_777_216 } as const;

/**
 * Memory of bodies that were answered, by its length. A collector that counts another 100 KB with each request runs
 * so often that it costs more than everything else that is done with a picture.
 */
const idle = new Map<number, Buffer<ArrayBuffer>[]>();
let idleBytes = 0;

/** Takes memory for a body, which may be an eighth longer than it: bodies of about the same length share theirs. */
function takeMemory(byteCount: number): Buffer<ArrayBuffer> {
  const length = recycledLength(byteCount);
  const found = idle.get(length)?.pop();
  if (!found) return Buffer.allocUnsafeSlow(length);
  idleBytes -= length;
  return found;
}

/** Rounds up to a multiple of an eighth of the next lower power of two. */
function recycledLength(byteCount: number): number {
  if (byteCount < recycled.minBytes || byteCount > recycled.maxBytes) return byteCount;
  const step = 1 << (28 - Math.clz32(byteCount));
  return Math.ceil(byteCount / step) * step;
}

/**
 * Creates an empty buffer. What larger memory replaces is moved to it little by little, with the pieces that come.
 *
 * @param kind - whether `byteCount` bytes are expected, or any number up to it; however many, no memory is taken for
 *   them before they have begun to come
 * @param wrongLength - creates the error for more bytes than that, or for fewer than are expected exactly
 */
export function createGrowingBuffer(
  kind: keyof typeof growthTo,
  byteCount: number,
  wrongLength: (receivedBytes: number) => Error,
): GrowingBuffer {
  let memory = empty;
  /** The memory before, whose bytes have not all been moved; empty if they have. */
  let before = empty;
  let movedTo = 0;

  function move(maxBytes: number): void {
    const from = movedTo;
    movedTo = Math.min(before.byteLength, from + maxBytes);
    before.copy(memory, from, from, movedTo);
    buffer.movedBytes += movedTo - from;
    if (movedTo === before.byteLength) freeBefore();
  }

  function freeBefore(): void {
    if (before !== empty) before.buffer.transfer(0);
    before = empty;
    movedTo = 0;
  }

  function grow(capacity: number): void {
    if (before !== empty) move(before.byteLength);
    before = buffer.byteLength > 0 ? memory.subarray(0, buffer.byteLength) : empty;
    memory = kind === "exactly" ? takeMemory(capacity) : Buffer.allocUnsafeSlow(capacity);
    buffer.capacity = capacity;
  }

  function received(): Uint8Array {
    const { byteLength } = buffer;
    return byteLength === memory.byteLength ? memory : memory.subarray(0, byteLength);
  }

  async function wholeLater(): Promise<Uint8Array> {
    for (let turn = 0; before !== empty; turn += 1) {
      if (turn > 0) await setImmediate();
      move(maxMovedBytes);
    }
    return received();
  }

  const buffer: GrowingBuffer & { byteLength: number; capacity: number; movedBytes: number } = {
    byteLength: 0,
    capacity: 0,
    movedBytes: 0,
    push: (piece, reserve) => {
      const neededBytes = buffer.byteLength + piece.byteLength;
      if (neededBytes > byteCount) throw wrongLength(neededBytes);
      const { buffer: own } = piece;
      const isAll = kind === "exactly" && piece.byteLength === byteCount;
      // A short piece that is alone in its memory may stay there.
      const isAlone = own.byteLength === byteCount && byteCount < recycled.minBytes;
      if (isAll && isAlone && own instanceof ArrayBuffer) {
        reserve(byteCount);
        memory = Buffer.from(own);
        buffer.capacity = byteCount;
        buffer.byteLength = byteCount;
        return;
      }
      if (neededBytes > buffer.capacity) {
        const capacity = Math.min(byteCount, Math.max(minBytes, neededBytes * growthTo[kind]));
        reserve(capacity - buffer.capacity);
        grow(capacity);
      }
      memory.set(piece, buffer.byteLength);
      buffer.byteLength = neededBytes;
      if (before !== empty) move(Math.min(maxMovedBytes, movedPerByte * piece.byteLength));
    },
    end: () => {
      if (kind === "exactly" && buffer.byteLength < byteCount) throw wrongLength(buffer.byteLength);
      return before === empty ? received() : wholeLater();
    },
    free: () => {
      freeBefore();
      if (memory !== empty) memory.buffer.transfer(0);
    },
    recycle: () => {
      const given = memory;
      memory = empty;
      const { length } = given;
      if (length < recycled.minBytes || length > recycled.maxBytes) return;
      if (length !== recycledLength(length) || idleBytes + length > recycled.maxIdleBytes) return;
      idleBytes += length;
      const ofLength = idle.get(length);
      if (ofLength) ofLength.push(given);
      else idle.set(length, [given]);
    },
  };
  return buffer;
}
