import { CancelledError } from "@tensorgate/core";
import type { NodeRequest } from "../node-http.ts";
import type { BodyUsage } from "./body-budget.ts";
import { isCut } from "./read-body.ts";

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
