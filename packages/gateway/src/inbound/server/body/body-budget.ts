import { Readable } from "node:stream";
import { type Clock, OverloadedError, type ScoringError } from "@tensorgate/core";
import type { ListenSettings, RequestOptions } from "../../options.ts";
import { assertKnownTransfer, type NodeRequest, type NodeResponse } from "../node-http.ts";
import { fellSilent, tooLate, tooManyPieces, tooSlow } from "./body-faults.ts";

/** The share of one request in the budget: counted, and timed until its body has arrived. The same for every protocol. */
export interface BodyUsage {
  /** Bytes of the body that have arrived so far, as they came. */
  readonly receivedBytes: number;
  /** Counts a piece of the body that has arrived, for its rate; what is held of it is reserved separately. */
  arrived(byteCount: number): void;
  /**
   * Counts memory, in bytes, before it is allocated for this request.
   * @throws OverloadedError if the budget is exhausted
   */
  reserve(byteCount: number): void;
  /**
   * Raises what is counted to at least `byteCount`: a body that was compressed.
   * @throws OverloadedError if the budget is exhausted
   */
  ensure(byteCount: number): void;
  /** Gives back the bytes of a message of a stream that was answered. */
  release(byteCount: number): void;
  /** Stops the timers: the whole body has arrived. */
  complete(): void;
  /** Calls `listener` once if the body arrives too slowly, or in too many pieces. */
  onFailure(listener: (error: ScoringError) => void): void;
  /** Keeps the count, even if the client disconnects, until the result is disposed of. */
  retain(): Disposable;
}

/** The memory of all requests in flight, and of all responses that clients have not read yet. */
export interface BodyBudget {
  readonly bytesInFlight: number;
  /** Counts bytes of answers; those that were read are taken off again, as a negative number. */
  add(byteCount: number): void;
  /** Whether so many bytes more fit. */
  hasRoom(byteCount: number): boolean;
  /**
   * Begins to read a request; its bytes stay counted until its response is closed and every `retain` is disposed of.
   *
   * @param kind - a stream may last, as long as it does not fall silent
   * @throws OverloadedError if its declared length does not fit
   * @throws NotSupportedError if it is encoded for the transfer otherwise than in chunks
   */
  open(request: NodeRequest, response: NodeResponse, kind: "whole" | "stream"): BodyUsage;
}

export interface BodyBudgetOptions {
  readonly requests: Pick<
    Required<RequestOptions>,
    "maxBytesInFlight" | "minUploadBytesPerSecond" | "requestTimeoutMs"
  >;
  readonly listen: Pick<ListenSettings, "idleTimeoutMs">;
  readonly clock: Clock;
}

/** When the rate of an upload is first checked, and how often after that, in milliseconds. */
const rateGraceMs = 5_000;
const checkEveryMs = 1_000;

/** When the client of an overloaded gateway may retry, in milliseconds. */
const retryAfterMs = 1_000;

export function createBodyBudget({ requests, listen, clock }: BodyBudgetOptions): BodyBudget {
  const { maxBytesInFlight, minUploadBytesPerSecond, requestTimeoutMs } = requests;
  let bytesInFlight = 0;

  function assertRoom(byteCount: number): void {
    if (bytesInFlight + byteCount <= maxBytesInFlight) return;
    throw new OverloadedError("request body budget (requests.maxBytesInFlight) exhausted", {
      retryAfterMs,
      hint: "retry in a moment",
    });
  }

  function open(request: NodeRequest, response: NodeResponse, kind: "whole" | "stream"): BodyUsage {
    const transferCoding = request.headers["transfer-encoding"];
    if (transferCoding !== undefined) assertKnownTransfer(transferCoding);
    const declaredBytes = Number(request.headers["content-length"] ?? 0) || 0;
    // What is declared and never sent must not keep others out, so it is checked and not reserved.
    assertRoom(declaredBytes);
    const startedMs = clock.nowMs();
    let countedBytes = 0;
    let retainCount = 0;
    let timer: Disposable | undefined;
    let isOver = false;
    let fail: ((error: ScoringError) => void) | undefined;
    let failure: ScoringError | undefined;

    function failWith(error: ScoringError): void {
      failure = error;
      usage.complete();
      fail?.(error);
    }

    function checkRate(): void {
      const elapsedMs = clock.nowMs() - startedMs;
      const wantedBytes = (minUploadBytesPerSecond * elapsedMs) / 1_000;
      if (elapsedMs >= requestTimeoutMs) failWith(tooLate(requestTimeoutMs));
      else if (usage.receivedBytes < wantedBytes) failWith(tooSlow(minUploadBytesPerSecond));
      else timer = clock.setTimer(Math.min(checkEveryMs, requestTimeoutMs - elapsedMs), checkRate);
    }

    function startTiming(): void {
      if (isOver) return;
      timer?.[Symbol.dispose]();
      timer =
        kind === "stream"
          ? clock.setTimer(listen.idleTimeoutMs, onSilence)
          : clock.setTimer(Math.min(rateGraceMs, requestTimeoutMs), checkRate);
    }

    function onSilence(): void {
      // A client that waits for answers need not send. What is retained beside the response itself is work in progress.
      if (retainCount > 1) startTiming();
      else failWith(fellSilent(listen.idleTimeoutMs));
    }

    const usage: BodyUsage & { receivedBytes: number } = {
      receivedBytes: 0,
      arrived: (byteCount) => {
        usage.receivedBytes += byteCount;
        if (kind === "stream") startTiming();
      },
      reserve: (byteCount) => {
        assertRoom(byteCount);
        // Nothing would give it back once nothing is retained.
        if (retainCount === 0) return;
        countedBytes += byteCount;
        bytesInFlight += byteCount;
      },
      ensure: (byteCount) => {
        if (byteCount > countedBytes) usage.reserve(byteCount - countedBytes);
      },
      release: (byteCount) => {
        const released = Math.min(byteCount, countedBytes);
        countedBytes -= released;
        bytesInFlight -= released;
      },
      complete: () => {
        isOver = true;
        timer?.[Symbol.dispose]();
      },
      onFailure: (listener) => {
        if (failure) listener(failure);
        else fail = listener;
      },
      retain: () => {
        retainCount += 1;
        return new Retained(returnBytes);
      },
    };

    function returnBytes(): void {
      retainCount -= 1;
      if (retainCount > 0) return;
      usage.complete();
      bytesInFlight -= countedBytes;
      countedBytes = 0;
    }

    const untilClosed = usage.retain();
    if (response.closed) untilClosed[Symbol.dispose]();
    else response.on("close", () => untilClosed[Symbol.dispose]());
    const mayHaveBody =
      "stream" in request
        ? !request.stream.endAfterHeaders
        : transferCoding !== undefined || declaredBytes > 0;
    // A body that came with its headers is not waited for.
    if (mayHaveBody && !(kind === "whole" && request.complete)) startTiming();
    pieceLimitOf(request)?.onExceeded(() => failWith(tooManyPieces(minBytesPerPiece)));
    if (request.headers.expect !== undefined) sendContinue(request, response);
    return usage;
  }

  return {
    get bytesInFlight() {
      return bytesInFlight;
    },
    add: (byteCount) => {
      bytesInFlight += byteCount;
    },
    hasRoom: (byteCount) => bytesInFlight + byteCount <= maxBytesInFlight,
    open,
  };
}

/** Returns once what it stands for. A class: V8 puts a literal with a symbol among its keys together slowly. */
class Retained implements Disposable {
  #returnBytes: (() => void) | undefined;

  constructor(returnBytes: () => void) {
    this.#returnBytes = returnBytes;
  }

  [Symbol.dispose](): void {
    const returnBytes = this.#returnBytes;
    this.#returnBytes = undefined;
    returnBytes?.();
  }
}

/** The one expectation of a client that can be met. @see RFC 9110, section 10.1.1 */
export const continueExpectation: RegExp = /(?:^|\W)100-continue(?:$|\W)/i;

/** Says 100: the client waits with the body until the headers were accepted, which they are when it is about to be read. */
function sendContinue({ headers }: NodeRequest, response: NodeResponse): void {
  if (!continueExpectation.test(headers.expect ?? "") || response.headersSent) return;
  response.writeContinue();
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
  readonly #listeners: (() => void)[] = [];

  /** Calls `listener` once if the limit is exceeded, or has been. */
  onExceeded(listener: () => void): void {
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
    for (const listener of this.#listeners) listener();
    return false;
  }
}

/** Where the body of a request that was given a limit has it: in a WeakMap it would outlive the request. */
const limitKey: unique symbol = Symbol("pieceLimit");

type LimitedBody = Readable & { [limitKey]?: PieceLimit };

/** Returns the limit of a request that was given one. */
export const pieceLimitOf = (request: NodeRequest & LimitedBody): PieceLimit | undefined =>
  request[limitKey];

/** What Node's parsers hand a piece to, the same for all bodies; the result says whether they may read on. */
function pushLimited(this: LimitedBody, piece: Uint8Array | null): boolean {
  const isKept = piece === null || (this[limitKey]?.count(piece) ?? true);
  return isKept && Readable.prototype.push.call(this, piece);
}

/**
 * Limits in how many pieces the body of `request` may arrive, whether or not it is read: Node limits what waits to be
 * read by its bytes alone, and each piece takes memory and time of its own. Beyond the limit pieces are dropped, and
 * Node stops reading.
 */
export function limitPieces(request: NodeRequest & LimitedBody): PieceLimit {
  const limit = new PieceLimit();
  const body: LimitedBody = "stream" in request ? request.stream : request;
  // Thousands of frames may have come in one packet with the headers: they become one piece.
  const earlyBytes = body.readableLength;
  if (earlyBytes > 0) body.unshift(body.read(earlyBytes));
  request[limitKey] = limit;
  body[limitKey] = limit;
  body.push = pushLimited;
  return limit;
}
