import { Readable } from "node:stream";
import { type Clock, OverloadedError, type ScoringError } from "@tensorgate/core";
import type { ListenSettings, RequestOptions } from "../../options.ts";
import { assertKnownTransfer, type NodeRequest, type NodeResponse } from "../node-http.ts";
import { fellSilent, tooLate, tooManyPieces, tooSlow } from "./body-faults.ts";

/** Where memory is counted. */
export interface MemoryAccount {
  /**
   * Counts memory, in bytes, before it is allocated for this request.
   * @throws OverloadedError if the budget is exhausted
   */
  reserve(byteCount: number): void;
}

/** The share of one request in the budget: counted, and timed until its body has arrived. The same for every protocol. */
export interface BodyUsage extends MemoryAccount {
  /** Bytes of the body that have arrived so far, as they came. */
  readonly receivedBytes: number;
  /** Counts a piece of the body that has arrived, for its rate; what is held of it is reserved separately. */
  arrived(byteCount: number): void;
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
  open(request: NodeRequest, response: NodeResponse, kind: BodyKind): BodyUsage;
}

type BodyKind = "whole" | "stream";

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

export function createBodyBudget(options: BodyBudgetOptions): BodyBudget {
  const budget: BodyBudget & HeldBytes = {
    bytesInFlight: 0,
    add: (byteCount) => {
      budget.bytesInFlight += byteCount;
    },
    hasRoom: (byteCount) => budget.bytesInFlight + byteCount <= options.requests.maxBytesInFlight,
    open: (request, response, kind) => {
      const transferCoding = request.headers["transfer-encoding"];
      if (transferCoding !== undefined) assertKnownTransfer(transferCoding);
      const declaredBytes = Number(request.headers["content-length"] ?? 0) || 0;
      // What is declared and never sent must not keep others out, so it is checked and not reserved.
      if (!budget.hasRoom(declaredBytes)) throw budgetExhausted();
      const usage = new RequestUsage(budget, options, kind);
      if (response.closed) usage.release();
      else response.on("close", usage.release.bind(usage));
      const mayHaveBody =
        "stream" in request
          ? !request.stream.endAfterHeaders
          : transferCoding !== undefined || declaredBytes > 0;
      // A body that came with its headers is not waited for.
      if (mayHaveBody && !(kind === "whole" && request.complete)) usage.startTiming();
      onTooManyPieces(request, usage.rejectPieces.bind(usage));
      if (request.headers.expect !== undefined) sendContinue(request, response);
      return usage;
    },
  };
  return budget;
}

function budgetExhausted(): OverloadedError {
  return new OverloadedError("request body budget (requests.maxBytesInFlight) exhausted", {
    retryAfterMs: 1_000,
    hint: "retry in a moment",
  });
}

type HeldBytes = Pick<BodyBudget, "hasRoom"> & { bytesInFlight: number };

/** A class, so that requests share its methods. */
class RequestUsage implements BodyUsage {
  receivedBytes: number;
  readonly #budget: HeldBytes;
  readonly #options: BodyBudgetOptions;
  readonly #kind: BodyKind;
  #countedBytes: number;
  /** The response itself, and what retains the usage. */
  #holderCount: number;
  #startedMs: number;
  #timer: Disposable | undefined;
  #isOver: boolean;
  #fail: ((error: ScoringError) => void) | undefined;
  #failure: ScoringError | undefined;

  constructor(budget: HeldBytes, options: BodyBudgetOptions, kind: BodyKind) {
    this.receivedBytes = 0;
    this.#budget = budget;
    this.#options = options;
    this.#kind = kind;
    this.#countedBytes = 0;
    this.#holderCount = 1;
    this.#startedMs = 0;
    this.#isOver = false;
  }

  arrived(byteCount: number): void {
    this.receivedBytes += byteCount;
    if (this.#kind === "stream") this.startTiming();
  }

  reserve(byteCount: number): void {
    if (!this.#budget.hasRoom(byteCount)) throw budgetExhausted();
    // Without a holder it would stay counted.
    if (this.#holderCount === 0) return;
    this.#countedBytes += byteCount;
    this.#budget.bytesInFlight += byteCount;
  }

  ensure(byteCount: number): void {
    if (byteCount > this.#countedBytes) this.reserve(byteCount - this.#countedBytes);
  }

  unreserve(byteCount: number): void {
    const released = Math.min(byteCount, this.#countedBytes);
    this.#countedBytes -= released;
    this.#budget.bytesInFlight -= released;
  }

  complete(): void {
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
  }

  onFailure(listener: (error: ScoringError) => void): void {
    if (this.#failure) listener(this.#failure);
    else this.#fail = listener;
  }

  retain(): void {
    this.#holderCount += 1;
  }

  release(): void {
    this.#holderCount -= 1;
    if (this.#holderCount > 0) return;
    if (!this.#isOver) this.complete();
    this.#budget.bytesInFlight -= this.#countedBytes;
    this.#countedBytes = 0;
  }

  startTiming(): void {
    if (this.#isOver) return;
    const { clock, listen, requests } = this.#options;
    this.#timer?.[Symbol.dispose]();
    if (this.#kind === "stream") {
      this.#timer = clock.setTimer(listen.idleTimeoutMs, this.#onSilence.bind(this));
    } else {
      this.#startedMs = clock.nowMs();
      const graceMs = Math.min(rateGraceMs, requests.requestTimeoutMs);
      this.#timer = clock.setTimer(graceMs, this.#checkRate.bind(this));
    }
  }

  rejectPieces(): void {
    this.#failWith(tooManyPieces(minBytesPerPiece));
  }

  #failWith(error: ScoringError): void {
    this.#failure = error;
    this.complete();
    this.#fail?.(error);
  }

  #checkRate(): void {
    const { clock, requests } = this.#options;
    const { minUploadBytesPerSecond, requestTimeoutMs } = requests;
    const elapsedMs = clock.nowMs() - this.#startedMs;
    const wantedBytes = (minUploadBytesPerSecond * elapsedMs) / 1_000;
    const leftMs = requestTimeoutMs - elapsedMs;
    if (leftMs <= 0) this.#failWith(tooLate(requestTimeoutMs));
    else if (this.receivedBytes < wantedBytes) this.#failWith(tooSlow(minUploadBytesPerSecond));
    else this.#timer = clock.setTimer(Math.min(checkEveryMs, leftMs), this.#checkRate.bind(this));
  }

  #onSilence(): void {
    // A client that waits for answers need not send. What holds it beside the response is work in progress.
    if (this.#holderCount > 1) this.startTiming();
    else this.#failWith(fellSilent(this.#options.listen.idleTimeoutMs));
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

/** In how many pieces the body of a request came so far. */
interface PieceCount {
  pieceCount: number;
  byteCount: number;
  /** Whether there were far more pieces than the bytes are worth, also if larger ones follow. */
  isTooMany: boolean;
  /** Calls those that asked for it, in their order. */
  listener: (() => void) | undefined;
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
  else if (pieces) pieces.listener = pieces.listener ? both(pieces.listener, listener) : listener;
}

function both(first: () => void, second: () => void): () => void {
  return () => {
    first();
    second();
  };
}

/** What Node's parsers hand a piece to, the same for all bodies. @returns whether they may read on */
function pushLimited(this: LimitedBody, piece: Uint8Array | null): boolean {
  const pieces = this[piecesKey];
  if (piece && pieces && !pieces.isTooMany) {
    pieces.pieceCount += 1;
    pieces.byteCount += piece.byteLength;
    pieces.isTooMany = pieces.pieceCount > freePieces + pieces.byteCount / minBytesPerPiece;
    if (pieces.isTooMany) pieces.listener?.();
  }
  // A stream of `node:http2` stays until the whole heap is collected, and would keep its call.
  if (piece === null && pieces) pieces.listener = undefined;
  const isKept = piece === null || !pieces?.isTooMany;
  return isKept && Readable.prototype.push.call(this, piece);
}

/**
 * Limits in how many pieces the body of `request` may arrive, whether or not it is read: Node limits what waits to be
 * read by its bytes alone, and each piece takes memory and time beside them. Beyond the limit pieces are dropped, and
 * Node stops reading.
 */
export function limitPieces(request: NodeRequest & LimitedBody): void {
  const pieces: PieceCount = { pieceCount: 0, byteCount: 0, isTooMany: false, listener: undefined };
  const body: LimitedBody = "stream" in request ? request.stream : request;
  // Thousands of frames may have come in one packet with the headers: they become one piece.
  const earlyBytes = body.readableLength;
  if (earlyBytes > 0) body.unshift(body.read(earlyBytes));
  request[piecesKey] = pieces;
  body[piecesKey] = pieces;
  body.push = pushLimited;
}
