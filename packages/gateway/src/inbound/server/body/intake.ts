import {
  type Clock,
  DeadlineExceededError,
  OverloadedError,
  type ScoringError,
  TooLargeError,
} from "@tensorgate/core";
import type { ListenSettings, RequestOptions } from "../../options.ts";
import type { NodeRequest, NodeResponse } from "../node-http.ts";

/** What one request brings in: counted, and timed until its end. The same for every protocol. */
export interface Intake {
  /**
   * Counts a piece of the body that has come in, and that it is held.
   * @throws OverloadedError if all requests together hold as much as they may
   * @throws TooLargeError if the pieces are too small to be worth their work
   */
  took(byteCount: number): void;
  /**
   * Counts a piece of the body that has come in, for its rate; what is held of it is reserved by itself.
   * @throws TooLargeError if the pieces are too small to be worth their work
   */
  arrived(byteCount: number): void;
  /**
   * Counts memory, in bytes, that is about to be taken for this request.
   * @throws OverloadedError if all requests together hold as much as they may
   */
  reserve(byteCount: number): void;
  /** Says that what was counted is at least this much in memory: a body that was compressed. */
  atLeast(byteCount: number): void;
  /** Says that so much of a stream has been answered and let go. */
  gave(byteCount: number): void;
  /** The whole body is here; nothing times it any more. */
  complete(): void;
  /** Calls `listener` once if the body comes too slowly. */
  onFailure(listener: (error: ScoringError) => void): void;
  /** Bytes of the body that have come so far, as they came. */
  readonly receivedBytes: number;
  /** Keeps what was counted in flight, also when the caller has gone, until it is disposed of. */
  hold(): Disposable;
}

/** Every request that is being read or worked on, and every answer that is not read yet. */
export interface IntakeGate {
  readonly bytesInFlight: number;
  /** Counts bytes of answers; what has been read is taken off again, as a negative number. */
  add(byteCount: number): void;
  /** Whether so many bytes more may be held. */
  hasRoom(byteCount: number): boolean;
  /**
   * Begins to read a request; what it brings stays counted until its response is closed and every hold is let go.
   *
   * @param kind - a stream may last, as long as it does not fall silent
   * @throws OverloadedError if what it declares has no room
   */
  open(request: NodeRequest, response: NodeResponse, kind: "whole" | "stream"): Intake;
}

export interface IntakeParts {
  readonly requests: Pick<
    Required<RequestOptions>,
    "maxBytesInFlight" | "minUploadBytesPerSecond" | "requestTimeoutMs"
  >;
  readonly listen: Pick<ListenSettings, "idleTimeoutMs">;
  readonly clock: Clock;
}

/** From when on an upload must keep its rate, and how often that is looked at, in milliseconds. */
const rateGraceMs = 5_000;
const lookEveryMs = 1_000;

/**
 * Pieces that a body may come in whatever their length, and the least length of the others on average, in bytes. Every
 * piece (a chunk of HTTP/1.1, a frame of HTTP/2) costs the same work, and one of a single byte is worth none.
 */
const freePieces = 1_024;
const minBytesPerPiece = 64;

/** When an overloaded gateway may be asked again, in milliseconds. */
const retryAfterMs = 1_000;

export function intakeGate({ requests, listen, clock }: IntakeParts): IntakeGate {
  const { maxBytesInFlight, minUploadBytesPerSecond, requestTimeoutMs } = requests;
  let bytesInFlight = 0;

  const hasRoom = (byteCount: number) => bytesInFlight + byteCount <= maxBytesInFlight;

  function assertRoom(byteCount: number): void {
    if (hasRoom(byteCount)) return;
    throw new OverloadedError("request body budget (requests.maxBytesInFlight) exhausted", {
      retryAfterMs,
      hint: "retry in a moment",
    });
  }

  function open(request: NodeRequest, response: NodeResponse, kind: "whole" | "stream"): Intake {
    // What is declared and never sent must not keep others out, so it is looked at and not reserved.
    assertRoom(Number(request.headers["content-length"] ?? 0) || 0);
    const startedMs = clock.nowMs();
    let receivedBytes = 0;
    let pieceCount = 0;
    let countedBytes = 0;
    let holdCount = 0;
    let timer: Disposable | undefined;
    let isOver = false;
    let fail: ((error: ScoringError) => void) | undefined;
    let failure: ScoringError | undefined;

    function count(byteCount: number): void {
      countedBytes += byteCount;
      bytesInFlight += byteCount;
    }

    function failWith(error: ScoringError): void {
      failure = error;
      complete();
      fail?.(error);
    }

    function look(): void {
      const elapsedMs = clock.nowMs() - startedMs;
      const wantedBytes = (minUploadBytesPerSecond * elapsedMs) / 1_000;
      if (elapsedMs >= requestTimeoutMs) failWith(tooLate(requestTimeoutMs));
      else if (receivedBytes < wantedBytes) failWith(tooSlow(minUploadBytesPerSecond));
      else timer = clock.setTimer(Math.min(lookEveryMs, requestTimeoutMs - elapsedMs), look);
    }

    function startTiming(): void {
      if (isOver) return;
      timer?.[Symbol.dispose]();
      timer =
        kind === "stream"
          ? clock.setTimer(listen.idleTimeoutMs, onSilence)
          : clock.setTimer(Math.min(rateGraceMs, requestTimeoutMs), look);
    }

    function onSilence(): void {
      // A caller that waits for answers need not send. A hold beside the response's own is work in progress.
      if (holdCount > 1) startTiming();
      else failWith(fellSilent(listen.idleTimeoutMs));
    }

    function complete(): void {
      isOver = true;
      timer?.[Symbol.dispose]();
    }

    function hold(): Disposable {
      let isHeld = true;
      holdCount += 1;
      return {
        [Symbol.dispose]: () => {
          if (!isHeld) return;
          isHeld = false;
          holdCount -= 1;
          if (holdCount > 0) return;
          complete();
          count(-countedBytes);
        },
      };
    }

    function arrived(byteCount: number): void {
      receivedBytes += byteCount;
      pieceCount += 1;
      if (pieceCount > freePieces + receivedBytes / minBytesPerPiece) throw tooManyPieces();
      if (kind === "stream") startTiming();
    }

    function reserve(byteCount: number): void {
      assertRoom(byteCount);
      // After the last hold nobody would take it off again.
      if (holdCount > 0) count(byteCount);
    }

    const untilClosed = hold();
    if (response.closed) untilClosed[Symbol.dispose]();
    else response.once("close", () => untilClosed[Symbol.dispose]());
    if (mayHaveBody(request)) startTiming();
    sayContinue(request, response);

    return {
      get receivedBytes() {
        return receivedBytes;
      },
      took: (byteCount) => {
        reserve(byteCount);
        arrived(byteCount);
      },
      arrived,
      reserve,
      atLeast: (byteCount) => {
        if (byteCount > countedBytes) reserve(byteCount - countedBytes);
      },
      gave: (byteCount) => count(-Math.min(byteCount, countedBytes)),
      complete,
      onFailure: (listener) => {
        if (failure) listener(failure);
        else fail = listener;
      },
      hold,
    };
  }

  return {
    get bytesInFlight() {
      return bytesInFlight;
    },
    add: (byteCount) => {
      bytesInFlight += byteCount;
    },
    hasRoom,
    open,
  };
}

/** The caller waits with the body until the headers have been judged, which they are when it is about to be read. */
function sayContinue({ headers }: NodeRequest, response: NodeResponse): void {
  if (!/(?:^|\W)100-continue(?:$|\W)/i.test(headers.expect ?? "") || response.headersSent) return;
  response.writeContinue();
}

function mayHaveBody(request: NodeRequest): boolean {
  if ("stream" in request) return !request.stream.endAfterHeaders;
  const { headers } = request;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function tooManyPieces(): TooLargeError {
  return new TooLargeError("the body arrives in too many small chunks", {
    hint: `send chunks of at least ${minBytesPerPiece} bytes`,
  });
}

function tooSlow(bytesPerSecond: number): DeadlineExceededError {
  return new DeadlineExceededError(
    `the body arrived at less than ${bytesPerSecond} bytes per second`,
    {
      hint: "send a smaller picture, or use a faster connection",
    },
  );
}

function tooLate(timeoutMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`the request did not arrive within ${timeoutMs} ms`, {
    hint: "send a smaller picture",
  });
}

function fellSilent(timeoutMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`no message arrived on the stream for ${timeoutMs} ms`, {
    hint: "open a stream only when there are pictures to send",
  });
}
