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
  /** Takes off what is held no longer, such as a message of a stream that was answered. */
  unreserve(byteCount: number): void;
  /** Stops the timers: the whole body has arrived. */
  complete(): void;
  /** Calls `listener` once if the body arrives too slowly, or in too many pieces. */
  onFailure(listener: (error: ScoringError) => void): void;
  /** Keeps the count, even if the client disconnects, until `release` was called as often. */
  retain(): void;
  release(): void;
}

/** The memory of all requests in flight, and of all responses that clients have not read yet. */
export interface BodyBudget {
  readonly bytesInFlight: number;
  /** Counts bytes of answers; those that were read are taken off again, as a negative number. */
  add(byteCount: number): void;
  /** Whether so many bytes more fit. */
  hasRoom(byteCount: number): boolean;
  /**
   * Begins to read a request; its bytes stay counted until its response is closed and every `retain` is released.
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
    let startedMs = 0;
    let countedBytes = 0;
    /** The response itself, and what retains the usage. */
    let holderCount = 1;
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
      if (kind === "stream") timer = clock.setTimer(listen.idleTimeoutMs, onSilence);
      else {
        startedMs = clock.nowMs();
        timer = clock.setTimer(Math.min(rateGraceMs, requestTimeoutMs), checkRate);
      }
    }

    function onSilence(): void {
      // A client that waits for answers need not send. What holds it beside the response is work in progress.
      if (holderCount > 1) startTiming();
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
        // Without a holder it would stay counted.
        if (holderCount === 0) return;
        countedBytes += byteCount;
        bytesInFlight += byteCount;
      },
      ensure: (byteCount) => {
        if (byteCount > countedBytes) usage.reserve(byteCount - countedBytes);
      },
      unreserve: (byteCount) => {
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
        holderCount += 1;
      },
      release: () => {
        holderCount -= 1;
        if (holderCount > 0) return;
        usage.complete();
        bytesInFlight -= countedBytes;
        countedBytes = 0;
      },
    };

    if (response.closed) usage.release();
    else response.on("close", usage.release);
    const mayHaveBody =
      "stream" in request
        ? !request.stream.endAfterHeaders
        : transferCoding !== undefined || declaredBytes > 0;
    // A body that came with its headers is not waited for.
    if (mayHaveBody && !(kind === "whole" && request.complete)) startTiming();
    onTooManyPieces(request, () => failWith(tooManyPieces(minBytesPerPiece)));
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

/** In how many pieces the body of a request came so far. */
interface PieceCount {
  pieceCount: number;
  byteCount: number;
  /** Whether there were far more pieces than the bytes are worth, also if larger ones follow. */
  isTooMany: boolean;
  readonly listeners: (() => void)[];
}

/** Where the body of a request that was given a limit has its count: in a WeakMap it would outlive the request. */
const piecesKey: unique symbol = Symbol("pieces");

type LimitedBody = Readable & { [piecesKey]?: PieceCount };

/** Whether the body of a request that was given a limit came in too many pieces. */
export function hasTooManyPieces(request: NodeRequest & LimitedBody): boolean {
  return request[piecesKey]?.isTooMany ?? false;
}

/** Calls `listener` once if the body comes in too many pieces, or has. */
export function onTooManyPieces(request: NodeRequest & LimitedBody, listener: () => void): void {
  const pieces = request[piecesKey];
  if (pieces?.isTooMany) listener();
  else pieces?.listeners.push(listener);
}

/** What Node's parsers hand a piece to, the same for all bodies. @returns whether they may read on */
function pushLimited(this: LimitedBody, piece: Uint8Array | null): boolean {
  const pieces = this[piecesKey];
  if (piece && pieces && !pieces.isTooMany) {
    pieces.pieceCount += 1;
    pieces.byteCount += piece.byteLength;
    pieces.isTooMany = pieces.pieceCount > freePieces + pieces.byteCount / minBytesPerPiece;
    if (pieces.isTooMany) for (const listener of pieces.listeners) listener();
  }
  const isKept = piece === null || !pieces?.isTooMany;
  return isKept && Readable.prototype.push.call(this, piece);
}

/**
 * Limits in how many pieces the body of `request` may arrive, whether or not it is read: Node limits what waits to be
 * read by its bytes alone, and each piece takes memory and time of its own. Beyond the limit pieces are dropped, and
 * Node stops reading.
 */
export function limitPieces(request: NodeRequest & LimitedBody): void {
  const pieces: PieceCount = { pieceCount: 0, byteCount: 0, isTooMany: false, listeners: [] };
  const body: LimitedBody = "stream" in request ? request.stream : request;
  // Thousands of frames may have come in one packet with the headers: they become one piece.
  const earlyBytes = body.readableLength;
  if (earlyBytes > 0) body.unshift(body.read(earlyBytes));
  request[piecesKey] = pieces;
  body[piecesKey] = pieces;
  body.push = pushLimited;
}
