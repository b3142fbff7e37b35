import { setImmediate } from "node:timers/promises";
import { CancelledError } from "@tensorgate/core";
import type { NodeRequest } from "../node-http.ts";
import type { BodyUsage, MemoryAccount } from "./body-budget.ts";
import { bodyTooLarge, notAsDeclared } from "./body-faults.ts";
import { freeRead, keepMemory, minRecycledBytes, takeMemory } from "./recycled-memory.ts";

/** Puts a body together from its pieces as they come. */
export interface BodySink {
  /**
   * Takes a copy of the piece, whose memory is freed afterwards unless it is shorter than `minRecycledBytes`.
   *
   * @param account - where each further amount of memory that is needed is counted before it is taken
   * @throws ScoringError if the body cannot be read with this piece
   */
  push(piece: Buffer, account: MemoryAccount): void;
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
    ? new GrowingBuffer("at-most", maxBytes, (_, most) => bodyTooLarge(most))
    : new GrowingBuffer("exactly", declaredBytes, notAsDeclared);
}

/** Where a request whose body is read has that, so that its listeners are the same for all requests. */
const readingKey: unique symbol = Symbol("reading");

type ReadRequest = NodeRequest & { [readingKey]?: Reading };

interface Reading {
  readonly usage: BodyUsage;
  readonly sink: BodySink;
  readonly resolve: (body: Uint8Array | Promise<Uint8Array>) => void;
  readonly reject: (error: unknown) => void;
  isOver: boolean;
}

/** Reads a whole body into `sink`. */
export function readBody(
  request: ReadRequest,
  usage: BodyUsage,
  sink: BodySink,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  request[readingKey] = { usage, sink, resolve, reject, isOver: false };
  usage.onFailure(failWith.bind(undefined, request));
  request.on("data", onData);
  request.on("end", onEnd);
  request.on("error", onGone);
  request.on("close", onClose);
  return promise;
}

function failWith(request: ReadRequest, error: unknown): void {
  const reading = request[readingKey];
  if (!reading || reading.isOver) return;
  reading.isOver = true;
  request.off("data", onData);
  request.pause();
  reading.sink.free();
  reading.reject(error);
}

function onData(this: ReadRequest, chunk: Buffer): void {
  const reading = this[readingKey];
  if (!reading) return;
  reading.usage.arrived(chunk.length);
  try {
    reading.sink.push(chunk, reading.usage);
    if (chunk.buffer.byteLength >= minRecycledBytes) freeRead(this, chunk);
  } catch (thrown) {
    failWith(this, thrown);
  }
}

function onEnd(this: ReadRequest): void {
  const reading = this[readingKey];
  if (!reading) return;
  reading.usage.complete();
  if (reading.isOver) return;
  // node:http2 ends a cut upload as if it were whole: only the count and `aborted` show it.
  if (isCut(this)) onGone.call(this);
  else {
    try {
      reading.resolve(reading.sink.end());
      reading.isOver = true;
    } catch (thrown) {
      failWith(this, thrown);
    }
  }
}

function onClose(this: ReadRequest): void {
  // Every request is closed at its end; an error has a stack, which costs more than all of this.
  if (!this.readableEnded) onGone.call(this);
}

function onGone(this: ReadRequest): void {
  failWith(this, new CancelledError("the client closed the request"));
}

/** Whether what came of the body is not all: node:http2 ends a cut upload as if it were whole. */
export function isCut(request: NodeRequest): boolean {
  return "stream" in request ? request.stream.aborted : !request.complete;
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
 * in one go would block the event loop for tens of milliseconds; this much takes less than one.
 */
export const maxMovedBytes = 1_048_576;

/** Bytes that are moved with each byte that comes: the move has ended long before the memory is full again. */
const movedPerByte = 8;

const empty: Uint8Array<ArrayBuffer> = Buffer.alloc(0);

type WrongLength = (receivedBytes: number, expectedBytes: number) => Error;

/**
 * Bytes put together from pieces, in memory that follows what has come; what larger memory replaces is moved to it little
 * by little, with the pieces that come. A short piece that is all of it is taken as it is. A class, so that bodies share
 * its methods.
 */
export class GrowingBuffer implements BodySink {
  readonly #kind: keyof typeof growthTo;
  readonly #expectedBytes: number;
  readonly #wrongLength: WrongLength;
  #byteLength: number;
  #capacity: number;
  #movedBytes: number;
  #memory: Uint8Array<ArrayBuffer>;
  /** The memory before, whose bytes have not all been moved; empty if they have. */
  #before: Uint8Array<ArrayBuffer>;
  #movedTo: number;

  /**
   * @param kind - whether `expectedBytes` are expected, or any number up to it; however many, no memory is taken for
   *   them before they have begun to come
   * @param wrongLength - creates the error for more bytes than that, or for fewer than are expected exactly
   */
  constructor(kind: keyof typeof growthTo, expectedBytes: number, wrongLength: WrongLength) {
    this.#kind = kind;
    this.#expectedBytes = expectedBytes;
    this.#wrongLength = wrongLength;
    this.#byteLength = 0;
    this.#capacity = 0;
    this.#movedBytes = 0;
    this.#memory = empty;
    this.#before = empty;
    this.#movedTo = 0;
  }

  /** Bytes that have come. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Bytes of memory that they take: all that was reserved. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Bytes that have been copied so far from smaller memory to larger. */
  get movedBytes(): number {
    return this.#movedBytes;
  }

  push(piece: Uint8Array, account: MemoryAccount): void {
    const expectedBytes = this.#expectedBytes;
    const neededBytes = this.#byteLength + piece.byteLength;
    if (neededBytes > expectedBytes) throw this.#wrongLength(neededBytes, expectedBytes);
    const { buffer } = piece;
    const isAll = this.#kind === "exactly" && piece.byteLength === expectedBytes;
    // A short piece that is alone in its memory may stay there.
    const isAlone = buffer.byteLength === expectedBytes && expectedBytes < minRecycledBytes;
    if (isAll && isAlone && buffer instanceof ArrayBuffer) {
      account.reserve(expectedBytes);
      this.#memory = piece as Uint8Array<ArrayBuffer>;
      this.#capacity = expectedBytes;
      this.#byteLength = expectedBytes;
      return;
    }
    if (neededBytes > this.#capacity) {
      const ahead = neededBytes * growthTo[this.#kind];
      const capacity = Math.min(expectedBytes, Math.max(minBytes, ahead));
      account.reserve(capacity - this.#capacity);
      this.#grow(capacity);
    }
    this.#memory.set(piece, this.#byteLength);
    this.#byteLength = neededBytes;
    if (this.#before === empty) return;
    this.#move(Math.min(maxMovedBytes, movedPerByte * piece.byteLength));
  }

  end(): Uint8Array | Promise<Uint8Array> {
    const receivedBytes = this.#byteLength;
    if (this.#kind === "exactly" && receivedBytes < this.#expectedBytes) {
      throw this.#wrongLength(receivedBytes, this.#expectedBytes);
    }
    if (this.#before !== empty) return this.#wholeLater();
    const memory = this.#memory;
    return receivedBytes === memory.byteLength ? memory : memory.subarray(0, receivedBytes);
  }

  free(): void {
    this.#freeBefore();
    if (this.#memory !== empty) this.#memory.buffer.transfer(0);
  }

  recycle(): void {
    const given = this.#memory;
    this.#memory = empty;
    if (given.length >= minRecycledBytes) keepMemory(given);
  }

  #grow(capacity: number): void {
    if (this.#before !== empty) this.#move(this.#before.byteLength);
    const memory = this.#memory;
    this.#before = this.#byteLength > 0 ? memory.subarray(0, this.#byteLength) : empty;
    const isRecycled = this.#kind === "exactly" && capacity >= minRecycledBytes;
    this.#memory = isRecycled ? takeMemory(capacity) : Buffer.allocUnsafeSlow(capacity);
    this.#capacity = capacity;
  }

  #move(maxBytes: number): void {
    const before = this.#before;
    const from = this.#movedTo;
    const to = Math.min(before.byteLength, from + maxBytes);
    this.#memory.set(before.subarray(from, to), from);
    this.#movedTo = to;
    this.#movedBytes += to - from;
    if (to === before.byteLength) this.#freeBefore();
  }

  #freeBefore(): void {
    if (this.#before !== empty) this.#before.buffer.transfer(0);
    this.#before = empty;
    this.#movedTo = 0;
  }

  async #wholeLater(): Promise<Uint8Array> {
    for (let turn = 0; this.#before !== empty; turn += 1) {
      if (turn > 0) await setImmediate();
      this.#move(maxMovedBytes);
    }
    return this.#memory.subarray(0, this.#byteLength);
  }
}
