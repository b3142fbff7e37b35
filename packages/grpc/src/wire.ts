import { grpcCode, grpcCodeFromHttpStatus, knownGrpcCode } from "./code.ts";

/** Length of the prefix of a message, in bytes: one of flags, four of the message's length. */
export const prefixBytes = 5;

/** The flag of a message that is compressed as `grpc-encoding` says. Requests have no other. */
export const compressedFlag = 1;

/** What the prefix of a message says. @see gRPC over HTTP/2, "Length-Prefixed-Message" */
export interface MessagePrefix {
  readonly flags: number;
  /** Length of the message that follows, in bytes. */
  readonly byteCount: number;
}

/** Reads the prefix of a message. @param bytes - the first `prefixBytes` or more of it */
export function readPrefix(bytes: Buffer): MessagePrefix {
  return { flags: bytes.readUInt8(0), byteCount: bytes.readUInt32BE(1) };
}

/** Writes the prefix of a message. */
export function messagePrefix(byteCount: number, flags = 0): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(byteCount, 1);
  return prefix;
}

/** Returns the length of a message in pieces, in bytes. */
export function messageBytes(segments: readonly Uint8Array[]): number {
  let byteCount = 0;
  for (const segment of segments) byteCount += segment.byteLength;
  return byteCount;
}

/** Messages up to this length are copied into one piece, in bytes: a copy costs less than another write. */
const maxJoinedBytes = 16_384;

/** Frames a message that is in pieces: a short one as a single piece, a long one as its prefix and the very bytes that came. */
export function framedPieces(segments: readonly Uint8Array[]): readonly Uint8Array[] {
  const byteCount = messageBytes(segments);
  if (byteCount > maxJoinedBytes) return [messagePrefix(byteCount), ...segments];
  const framed = Buffer.allocUnsafe(prefixBytes + byteCount);
  framed.writeUInt8(0);
  framed.writeUInt32BE(byteCount, 1);
  let offset = prefixBytes;
  for (const segment of segments) {
    framed.set(segment, offset);
    offset += segment.byteLength;
  }
  return [framed];
}

/** Thrown when bytes are not the one message that they should be. */
export class FramingError extends Error {
  override readonly name = "FramingError";
  /** Whether the message, well formed or not, exceeds its limit. */
  readonly isTooLong: boolean;

  constructor(message: string, { isTooLong = false }: { readonly isTooLong?: boolean } = {}) {
    super(message);
    this.isTooLong = isTooLong;
  }
}

/** Smallest memory for a message that does not come in one piece, in bytes. */
const minMemoryBytes = 4_096;

/**
 * Pieces that any reply may come in, and bytes that each further one must bring on average. A piece costs as much time
 * as a thousand bytes, and servers send a kilobyte and more at a time.
 */
const pieces = { free: 1_024, minBytes: 256 } as const;

const noBytes = Buffer.alloc(0);

/** Assembles the single message of a unary reply from its pieces, in memory that grows with what has come. */
export class UnaryReader {
  readonly #maxBytes: number;
  #memory: Buffer = noBytes;
  #byteCount = 0;
  #pieceCount = 0;
  /** With its prefix; undefined until that has come. */
  #totalBytes: number | undefined;

  /** @param maxBytes - of the message, without its prefix */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of memory that are held. */
  get heldBytes(): number {
    return this.#memory.byteLength;
  }

  /**
   * @throws FramingError as soon as the pieces cannot become one uncompressed message of at most `maxBytes`, or come in
   *   far more pieces than its length explains
   */
  push(piece: Buffer): void {
    this.#pieceCount += 1;
    if (this.#pieceCount > pieces.free + this.#byteCount / pieces.minBytes) {
      throw new FramingError(`the response arrives in ${this.#pieceCount} small pieces`);
    }
    // Most replies come in one piece, which is used as it is.
    if (this.#byteCount === 0) this.#memory = piece;
    else this.#append(piece);
    this.#byteCount += piece.byteLength;
    if (this.#totalBytes === undefined && this.#byteCount >= prefixBytes) {
      const byteCount = this.#memory.readUInt32BE(1);
      // The request offers no encoding, so a compressed message is a fault of the server.
      if (this.#memory[0] !== 0) throw new FramingError("the response is compressed");
      if (byteCount > this.#maxBytes) {
        throw new FramingError(
          `the message has ${byteCount} bytes; the limit is ${this.#maxBytes}`,
          { isTooLong: true },
        );
      }
      this.#totalBytes = prefixBytes + byteCount;
    }
    if (this.#totalBytes !== undefined && this.#byteCount > this.#totalBytes) {
      throw new FramingError("the response is longer than its message");
    }
  }

  /** @throws FramingError if the message is cut short */
  message(): Uint8Array {
    if (this.#totalBytes === undefined) throw new FramingError("the response has no message");
    if (this.#byteCount < this.#totalBytes) throw new FramingError("the response is truncated");
    return this.#memory.subarray(prefixBytes, this.#totalBytes);
  }

  #append(piece: Buffer): void {
    const neededBytes = this.#byteCount + piece.byteLength;
    if (neededBytes > this.#memory.byteLength) {
      const ahead = Math.max(minMemoryBytes, 2 * neededBytes);
      const larger = Buffer.allocUnsafeSlow(
        Math.max(neededBytes, Math.min(ahead, this.#totalBytes ?? ahead)),
      );
      this.#memory.copy(larger, 0, 0, this.#byteCount);
      this.#memory = larger;
    }
    this.#memory.set(piece, this.#byteCount);
  }
}

/** A block of header or trailer fields, as `node:http2` has them. */
export type HeaderBlock = Readonly<Record<string, string | readonly string[] | undefined>>;

/** How a call ended. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
  /** A serialized `google.rpc.Status` with details, where there is one. */
  readonly details?: Uint8Array;
}

export interface ReceivedStatus extends Omit<GrpcStatus, "details"> {
  /** The block that the status stood in; `readDetails` finds its details. Empty where the reply has no gRPC status. */
  readonly headers: HeaderBlock;
  /** The HTTP status that the code was derived from, where the reply has no gRPC status: a proxy's or a web server's. */
  readonly httpStatus?: number;
}

/**
 * Writes a status as fields: of the trailers, or of the only headers of a reply without a message ("trailers-only").
 *
 * @see gRPC over HTTP/2, "Responses"
 */
export function statusFields({ code, message, details }: GrpcStatus): Record<string, string> {
  return {
    "grpc-status": String(code),
    ...(message !== "" && { "grpc-message": encodeMessage(message) }),
    ...(details && { "grpc-status-details-bin": encodeBinary(details) }),
  };
}

/**
 * Reads the status from the trailers, or from the headers of a trailers-only reply. A proxy that answers in place of the
 * server gives an HTTP status alone.
 *
 * @returns undefined if there is no status, as when the connection broke
 */
export function readStatus(
  headers: HeaderBlock,
  trailers: HeaderBlock,
): ReceivedStatus | undefined {
  const block = trailers["grpc-status"] === undefined ? headers : trailers;
  const status = block["grpc-status"];
  if (status === undefined) {
    // A server's own headers, as most are, need no look for a proxy's.
    const isServer =
      headers["content-type"] === "application/grpc" && Number(headers[":status"]) === 200;
    return isServer ? undefined : statusOfProxy(headers);
  }
  const code = String(status);
  const message = block["grpc-message"];
  return {
    code: code === "0" ? grpcCode.OK : failureCode(code),
    message: message === undefined ? "" : decodeMessage(String(message)),
    headers: block,
  };
}

function failureCode(text: string): number {
  return /^\d{1,2}$/.test(text) ? knownGrpcCode(Number(text)) : grpcCode.UNKNOWN;
}

/** Reads the details beside a status: a serialized `google.rpc.Status`, empty where there is none. */
export function readDetails(headers: HeaderBlock): Uint8Array {
  return Buffer.from(String(headers["grpc-status-details-bin"] ?? ""), "base64");
}

function statusOfProxy(headers: HeaderBlock): ReceivedStatus | undefined {
  const httpStatus = Number(headers[":status"]);
  if (Number.isNaN(httpStatus)) return undefined;
  // A web server may answer every path with a page.
  const isGrpc = /^application\/grpc\b/i.test(
    String(headers["content-type"] ?? "application/grpc"),
  );
  if (httpStatus === 200 && isGrpc) return undefined;
  const message = `HTTP status ${httpStatus} and no gRPC status`;
  return { code: grpcCodeFromHttpStatus(httpStatus), message, headers: {}, httpStatus };
}

/**
 * Encodes a text for `grpc-message`: printable ASCII but `%` as it is, all else by the percent codes of its UTF-8, and
 * blanks at its ends too, since receivers drop fields that have them.
 */
export function encodeMessage(message: string): string {
  return message.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]+|^ +| +$/g, encodeURIComponent);
}

/** Decodes `grpc-message`. A value that is not well encoded is returned as it came, never dropped. */
export function decodeMessage(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

/** Encodes the value of a `-bin` field: base64 without padding. */
export function encodeBinary(bytes: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = bytes;
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64").replace(/=+$/, "");
}

/** Milliseconds in each unit of `grpc-timeout`. */
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Reads `grpc-timeout`.
 *
 * @returns milliseconds; undefined if `text` is not a timeout
 * @see gRPC over HTTP/2, "Requests": at most eight digits and a unit
 */
export function parseTimeout(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * (unitMs[unit] ?? 0);
}

const maxDigits = 99_999_999;

/** Writes `grpc-timeout`, rounded down but at least 1 ms: in milliseconds, or in seconds from 27 hours on. */
export function formatTimeout(timeoutMs: number): string {
  const wholeMs = Math.max(1, Math.floor(timeoutMs));
  if (wholeMs <= maxDigits) return `${wholeMs}m`;
  return `${Math.min(Math.floor(wholeMs / 1_000), maxDigits)}S`;
}
