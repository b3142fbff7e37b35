import { CancelledError } from "@tensorgate/core";
import type { NodeRequest } from "../node-http.ts";
import type { Intake } from "./intake.ts";

/** The body of a request, piece by piece. */
export interface BodyPieces {
  /**
   * The next piece that comes, or at most `maxBytes` of it; undefined at the end of the body. No more is read from the
   * connection than is asked for.
   *
   * @throws DeadlineExceededError if the body comes too slowly
   * @throws TooLargeError if it comes in pieces that are too small to be worth their work
   * @throws CancelledError if the caller goes away before its end
   */
  next(maxBytes: number): Promise<Uint8Array | undefined>;
  /** Reads no further. */
  stop(): void;
}

/**
 * Opens the body of `request`, and counts what comes for the rate that `intake` holds it to; what is held of it is for
 * the reader to reserve.
 *
 * A failure that comes while nothing is asked for is kept until something is, so that no promise is there to be rejected
 * unseen; and no promise outlives the piece that it waits for, since each race with one that does keeps its result.
 */
export function createBodyPieces(request: NodeRequest, intake: Intake): BodyPieces {
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
    try {
      intake.arrived(piece.byteLength);
    } catch (thrown) {
      fail(thrown);
    }
    wake();
  }

  function onEnd(): void {
    if (isCut(request)) {
      onGone();
      return;
    }
    isOver = true;
    intake.complete();
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
  intake.onFailure(fail);

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
