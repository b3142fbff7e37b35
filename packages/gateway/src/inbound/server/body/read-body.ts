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
  request.once("end", onEnd);
  request.once("error", onGone);
  request.once("close", onGone);
  if (request.destroyed) onGone();
  usage.onFailure(fail);

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

export interface ReadBodyOptions {
  readonly maxBytes: number;
  /** What `content-length` says; NaN where it says nothing. */
  readonly declaredBytes: number;
  readonly usage: BodyUsage;
}

/** Reads a whole body into memory that follows what has come: what is only declared costs nothing. */
export function readBody(
  request: NodeRequest,
  { maxBytes, declaredBytes, usage }: ReadBodyOptions,
): Promise<GrowingBuffer> {
  const whole = Number.isNaN(declaredBytes)
    ? createGrowingBuffer("at-most", maxBytes)
    : createGrowingBuffer("exactly", declaredBytes);
  const { promise, resolve, reject } = Promise.withResolvers<GrowingBuffer>();
  let isOver = false;

  function failWith(error: unknown): void {
    if (isOver) return;
    isOver = true;
    request.off("data", onData);
    request.pause();
    whole.free();
    reject(error);
  }

  function onGone(): void {
    failWith(new CancelledError("the client closed the request"));
  }

  function onData(chunk: Buffer): void {
    const received = whole.byteLength + chunk.length;
    try {
      if (received > maxBytes) throw bodyTooLarge(maxBytes);
      if (received > declaredBytes) throw notAsDeclared(received, declaredBytes);
      usage.arrived(chunk.length);
      whole.append(chunk, usage.reserve);
    } catch (thrown) {
      failWith(thrown);
    }
  }

  usage.onFailure(failWith);
  request.on("data", onData);
  // node:http2 ends a cut upload as if it were whole: only the count and `aborted` show it.
  request.once("end", () => {
    usage.complete();
    if (isCut(request)) return onGone();
    if (whole.byteLength < declaredBytes) {
      return failWith(notAsDeclared(whole.byteLength, declaredBytes));
    }
    isOver = true;
    resolve(whole);
  });
  request.once("error", onGone);
  request.once("close", () => {
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
