import { grpcCode, grpcCodeFromHttpStatus, knownGrpcCode } from "./code.ts";

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
  if (block["grpc-status"] === undefined) return statusOfProxy(headers);
  const code = String(block["grpc-status"]);
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
