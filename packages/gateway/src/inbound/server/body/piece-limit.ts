import type { Readable } from "node:stream";
import type { NodeRequest } from "../node-http.ts";

/** Whether a body came in far more pieces than its bytes are worth. */
export interface PieceLimit {
  readonly isExceeded: boolean;
  /** Calls `listener` once if the limit is exceeded, or has been. */
  onExceeded(listener: () => void): void;
}

/**
 * Pieces that a body may come in whatever their length, and the minimum length of the others on average, in bytes. Every
 * piece (a chunk of HTTP/1.1, a frame of HTTP/2) costs the same work, and one of a single byte is worth none.
 */
const freePieces = 1_024;
export const minBytesPerPiece = 64;

const limits = new WeakMap<NodeRequest, PieceLimit>();

/** Returns the limit of a request that was given one. */
export const pieceLimitOf = (request: NodeRequest): PieceLimit | undefined => limits.get(request);

/**
 * Limits in how many pieces the body of `request` may arrive, whether or not it is read: Node limits what waits to be
 * read by its bytes alone, and each piece takes memory and time of its own. Beyond the limit pieces are dropped, and
 * Node stops reading.
 */
export function limitPieces(request: NodeRequest): PieceLimit {
  const listeners: (() => void)[] = [];
  let pieceCount = 0;
  let byteCount = 0;

  const limit: PieceLimit & { isExceeded: boolean } = {
    isExceeded: false,
    onExceeded: (listener) => {
      if (limit.isExceeded) listener();
      else listeners.push(listener);
    },
  };

  /** @returns whether the piece may be kept */
  function count(piece: Uint8Array): boolean {
    if (limit.isExceeded) return false;
    pieceCount += 1;
    byteCount += piece.byteLength;
    if (pieceCount <= freePieces + byteCount / minBytesPerPiece) return true;
    limit.isExceeded = true;
    for (const listener of listeners) listener();
    return false;
  }

  const body: Readable = "stream" in request ? request.stream : request;
  // Thousands of frames may have come in one packet with the headers: they become one piece.
  const earlyBytes = body.readableLength;
  if (earlyBytes > 0) body.unshift(body.read(earlyBytes));
  // What Node's parsers hand a piece to; the result says whether they may read on.
  const push = body.push.bind(body);
  body.push = (piece: Uint8Array | null) => (piece === null || count(piece)) && push(piece);
  limits.set(request, limit);
  return limit;
}
