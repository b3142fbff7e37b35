import type { Readable } from "node:stream";
import { CancelledError, InvalidRequestError, TooLargeError } from "@tensorgate/core";
import type { NodeRequest } from "../node-http.ts";
import type { BodyUsage } from "./body-budget.ts";
import { createGrowingBuffer, type GrowingBuffer } from "./growing-buffer.ts";

/** The body of a request, piece by piece. */
export interface BodyPieces {
  /**
   * Reads the next piece, or at most `maxBytes` of it; undefined at the end of the body. Reads no further ahead from the
   * connection.
   *
   * @throws DeadlineExceededError if the body comes too slowly
   * @throws TooLargeError if it comes in pieces that are too small to be worth their work
   * @throws CancelledError if the client disconnects before its end
   */
  next(maxBytes: number): Promise<Uint8Array | undefined>;
  /** Reads no further. */
  stop(): void;
}

/**
 * Opens the body of `request`, and counts what comes for the rate that `usage` demands; what is held of it is for
 * the reader to reserve.
 *
 * A failure between two calls of `next` is kept for the second, so that no promise is rejected unhandled. No promise
 * outlives the piece that it waits for: a race with one that does would keep its result.
 */
export function createBodyPieces(request: NodeRequest, usage: BodyUsage): BodyPieces {
  let arrived: Uint8Array = new Uint8Array();
  let isOver = false;
  let failure: unknown;
  let wake = (): void => {};

  function fail(error: unknown): void {
    failure ??= error;
    wake();
  }

  function onData(piece: Buffer): void {
    request.pause();
    arrived = piece;
    usage.arrived(piece.byteLength);
    wake();
  }

  function onEnd(): void {
    if (isCut(request)) {
      onGone();
      return;
    }
    isOver = true;
    usage.complete();
    wake();
  }

  function onGone(): void {
    if (!isOver) fail(new CancelledError("the client closed the request"));
  }

  request.pause();
  request.on("data", onData);
  request.on("end", onEnd);
  request.on("error", onGone);
  request.on("close", onGone);
  if (request.destroyed) onGone();
  usage.onFailure(fail);
  pieceLimitOf(request)?.onExceeded(() => fail(tooManyPieces()));

  return {
    next: async (maxBytes) => {
      while (arrived.byteLength === 0 && !isOver && failure === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          request.resume();
        });
      }
      if (failure !== undefined) throw failure;
      if (arrived.byteLength === 0) return undefined;
      const piece = arrived.subarray(0, maxBytes);
      arrived = arrived.subarray(piece.byteLength);
      return piece;
    },
    stop: () => {
      request.off("data", onData);
      request.pause();
      arrived = new Uint8Array();
    },
  };
}

/** Whether what came of the body is not all: node:http2 ends a cut upload as if it were whole. */
export function isCut(request: NodeRequest): boolean {
  return "stream" in request ? request.stream.aborted : !request.complete;
}

/** Puts a body together from its pieces as they come. */
export interface BodySink {
  /**
   * @param reserve - called with each further amount of memory that is needed, in bytes, before it is taken
   * @throws ScoringError if the body cannot be read with this piece
   */
  push(piece: Buffer, reserve: (byteCount: number) => void): void;
  /**
   * Called at the end of the body.
   * @throws ScoringError if it is not whole
   */
  end(): GrowingBuffer;
  /** Frees the memory: the body is not read further. */
  free(): void;
}

/** Takes a whole body into memory that follows what has come: what is only declared costs nothing. */
export class WholeBody implements BodySink {
  readonly #maxBytes: number;
  readonly #declaredBytes: number;
  readonly #whole: GrowingBuffer;

  /** @param declaredBytes - what `content-length` says; NaN where it says nothing */
  constructor(maxBytes: number, declaredBytes: number) {
    this.#maxBytes = maxBytes;
    this.#declaredBytes = declaredBytes;
    this.#whole = Number.isNaN(declaredBytes)
      ? createGrowingBuffer("at-most", maxBytes)
      : createGrowingBuffer("exactly", declaredBytes);
  }

  push(piece: Buffer, reserve: (byteCount: number) => void): void {
    const received = this.#whole.byteLength + piece.length;
    if (received > this.#maxBytes) throw bodyTooLarge(this.#maxBytes);
    if (received > this.#declaredBytes) throw notAsDeclared(received, this.#declaredBytes);
    this.#whole.append(piece, reserve);
  }

  end(): GrowingBuffer {
    const received = this.#whole.byteLength;
    if (received < this.#declaredBytes) throw notAsDeclared(received, this.#declaredBytes);
    return this.#whole;
  }

  free(): void {
    this.#whole.free();
  }
}

/** Reads a whole body into `sink`. */
export function readBody(
  request: NodeRequest,
  usage: BodyUsage,
  sink: BodySink,
): Promise<GrowingBuffer> {
  const { promise, resolve, reject } = Promise.withResolvers<GrowingBuffer>();
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
    } catch (thrown) {
      failWith(thrown);
    }
  }

  usage.onFailure(failWith);
  pieceLimitOf(request)?.onExceeded(() => failWith(tooManyPieces()));
  request.on("data", onData);
  // node:http2 ends a cut upload as if it were whole: only the count and `aborted` show it.
  request.on("end", () => {
    usage.complete();
    if (isOver) return;
    if (isCut(request)) return onGone();
    try {
      const whole = sink.end();
      isOver = true;
      resolve(whole);
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

function notAsDeclared(byteCount: number, declared: number): InvalidRequestError {
  return new InvalidRequestError(
    `the body has ${byteCount} bytes, but content-length declares ${declared}`,
  );
}

export function bodyTooLarge(maxBytes: number): TooLargeError {
  return new TooLargeError(`the body is longer than ${maxBytes} bytes`, {
    hint: "send fewer or smaller pictures",
  });
}

/**
 * Pieces that a body may come in whatever their length, and the minimum length of the others on average, in bytes. Every
 * piece (a chunk of HTTP/1.1, a frame of HTTP/2) costs the same work, and one of a single byte is worth none.
 */
const freePieces = 1_024;
const minBytesPerPiece = 64;

/** Counts the pieces of a body. A class, so that requests share its methods. */
class PieceLimit {
  /** Whether the body came in far more pieces than its bytes are worth. */
  isExceeded = false;
  #pieceCount = 0;
  #byteCount = 0;
  #listeners: (() => void)[] | undefined;

  /** Calls `listener` once if the limit is exceeded, or has been. */
  onExceeded(listener: () => void): void {
    this.#listeners ??= [];
    if (this.isExceeded) listener();
    else this.#listeners.push(listener);
  }

  /** @returns whether the piece may be kept */
  count(piece: Uint8Array): boolean {
    if (this.isExceeded) return false;
    this.#pieceCount += 1;
    this.#byteCount += piece.byteLength;
    if (this.#pieceCount <= freePieces + this.#byteCount / minBytesPerPiece) return true;
    this.isExceeded = true;
    for (const listener of this.#listeners ?? []) listener();
    return false;
  }
}

const limits = new WeakMap<NodeRequest, PieceLimit>();

/** Returns the limit of a request that was given one. */
export const pieceLimitOf = (request: NodeRequest): PieceLimit | undefined => limits.get(request);

/**
 * Limits in how many pieces the body of `request` may arrive, whether or not it is read: Node limits what waits to be
 * read by its bytes alone, and each piece takes memory and time of its own. Beyond the limit pieces are dropped, and
 * Node stops reading.
 */
export function limitPieces(request: NodeRequest): PieceLimit {
  const limit = new PieceLimit();
  const body: Readable = "stream" in request ? request.stream : request;
  // Thousands of frames may have come in one packet with the headers: they become one piece.
  const earlyBytes = body.readableLength;
  if (earlyBytes > 0) body.unshift(body.read(earlyBytes));
  // What Node's parsers hand a piece to; the result says whether they may read on.
  const { push } = body;
  body.push = (piece: Uint8Array | null) =>
    (piece === null || limit.count(piece)) && push.call(body, piece);
  limits.set(request, limit);
  return limit;
}

function tooManyPieces(): TooLargeError {
  return new TooLargeError("the body arrives in too many small chunks", {
    hint: `send chunks of at least ${minBytesPerPiece} bytes`,
  });
}
