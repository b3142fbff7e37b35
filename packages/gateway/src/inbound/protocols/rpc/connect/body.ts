import { setImmediate } from "node:timers/promises";
import type { DescMessage } from "@bufbuild/protobuf";
import { parseContentType as connectForm } from "@connectrpc/connect/protocol-connect";
import { parseContentType as grpcForm } from "@connectrpc/connect/protocol-grpc";
import { parseContentType as grpcWebForm } from "@connectrpc/connect/protocol-grpc-web";
import { maxTimerDelayMs } from "@tensorgate/core";
import {
  compressedFlag,
  formatTimeout,
  messagePrefix,
  parseTimeout,
  prefixBytes,
  readPrefix,
} from "@tensorgate/grpc";
import type { BodyUsage } from "../../../server/body/body-budget.ts";
import { type BodyPieces, createBodyPieces } from "../../../server/body/body-pieces.ts";
import {
  type Coding,
  contentCoding,
  type Decompress,
  unsupportedEncoding,
} from "../../../server/body/decompress.ts";
import { GrowingBuffer } from "../../../server/body/read-body.ts";
import { headerOf } from "../../../server/exchange.ts";
import type { NodeRequest } from "../../../server/node-http.ts";
import {
  messageCutShort,
  messageTooLong,
  onlyOneMessage,
  undeclaredEncoding,
  unknownFlags,
} from "../errors.ts";
import { createMessageAccount, createRpcMessage, type RpcMessageOptions } from "./message-check.ts";
import { decodedPieces } from "./web-text.ts";

/** How the messages of an RPC stand in the body of its request. */
export interface RpcForm {
  /** Whether each message comes in an envelope; otherwise the body is the message. */
  readonly isEnveloped: boolean;
  readonly isJson: boolean;
  /** Whether all of the body, and of the answer's, is base64. */
  readonly isText: boolean;
  /** How the body, or each message whose envelope says so, is compressed; undefined if it is not. */
  readonly coding: Coding | undefined;
}

/** Headers that say how a message, or the whole of a unary Connect call, is packed. */
const encodingHeaders = ["content-encoding", "connect-content-encoding", "grpc-encoding"] as const;

/** Headers by which a caller sets its deadline. */
export const timeoutHeaders = ["grpc-timeout", "connect-timeout-ms"] as const;

/**
 * Determines how to read a request, with the parsers of the library that reads the messages afterwards.
 *
 * @returns undefined where no protocol knows the content type: nothing is read then
 */
export function rpcFormOf(request: NodeRequest): RpcForm | undefined {
  const contentType = headerOf(request, "content-type") ?? "";
  const codingOf = (name: (typeof encodingHeaders)[number]): Coding | undefined => {
    const coding = contentCoding(headerOf(request, name));
    return coding === "identity" ? undefined : coding;
  };
  const connect = connectForm(contentType);
  if (connect) {
    const { stream: isEnveloped, binary } = connect;
    const coding = codingOf(isEnveloped ? "connect-content-encoding" : "content-encoding");
    return { isEnveloped, isJson: !binary, isText: false, coding };
  }
  const web = grpcWebForm(contentType);
  const grpc = grpcForm(contentType) ?? web;
  if (!grpc) return undefined;
  const isText = web?.text === true;
  return { isEnveloped: true, isJson: !grpc.binary, isText, coding: codingOf("grpc-encoding") };
}

/**
 * @throws UnsupportedMediaError if anything is compressed otherwise than by gzip or deflate, or twice
 */
export function assertKnownEncodings(request: NodeRequest): void {
  for (const name of encodingHeaders) {
    const encoding = headerOf(request, name);
    if (contentCoding(encoding) !== undefined) continue;
    throw unsupportedEncoding(encoding ?? "", name);
  }
}

/** The header by which an answer lists the compressions that requests may have. */
export function acceptHeader(request: NodeRequest): Readonly<Record<string, string>> {
  const contentType = headerOf(request, "content-type") ?? "";
  if (contentType.startsWith("application/grpc")) return { "grpc-accept-encoding": "gzip,deflate" };
  const isStream = contentType.startsWith("application/connect+");
  return { [isStream ? "connect-accept-encoding" : "accept-encoding"]: "gzip,deflate" };
}

/** The headers of a request whose body the library reads as plain messages, with timeouts that a timer takes. */
export function plainHeaders(header: Headers, form: RpcForm | undefined): Headers {
  const plain = new Headers(header);
  if (form?.isText) plain.set("content-type", webType(form));
  for (const name of [...encodingHeaders, "content-length"]) plain.delete(name);
  cutTimeouts(plain);
  return plain;
}

/** The type of gRPC-Web's messages in bytes. */
function webType({ isJson }: RpcForm): string {
  return `application/grpc-web+${isJson ? "json" : "proto"}`;
}

/**
 * Cuts the timeouts of gRPC and Connect to what a timer takes: Connect starts one with what the caller says, and it
 * would fire immediately. What is malformed stays for Connect to reject.
 */
export function cutTimeouts(headers: Headers): void {
  const timeoutMs = parseTimeout(headers.get("grpc-timeout") ?? "") ?? 0;
  if (timeoutMs > maxTimerDelayMs) headers.set("grpc-timeout", formatTimeout(maxTimerDelayMs));
  const connectTimeout = headers.get("connect-timeout-ms") ?? "";
  if (/^\d{1,10}$/.test(connectTimeout) && Number(connectTimeout) > maxTimerDelayMs) {
    headers.set("connect-timeout-ms", String(maxTimerDelayMs));
  }
}

/** What one message may cost, as it came and unpacked. */
export interface MessageLimits {
  readonly maxBytes: number;
  /** JSON is read character by character, several times. */
  readonly maxJsonBytes: number;
  /** Fields, entries of lists and maps, and values. */
  readonly maxElements: number;
}

export interface RpcBodyOptions {
  readonly form: RpcForm;
  /** What each message is. */
  readonly schema: DescMessage;
  /** Whether there may be more than one. */
  readonly isStream: boolean;
  /** They hold for each message, as it came and unpacked. */
  readonly limits: MessageLimits;
  readonly usage: BodyUsage;
  readonly decompress: Decompress;
  /** Called with what each message, as it is passed on, holds of the bytes in flight. */
  readonly onMessage: (heldBytes: number) => void;
}

/** Messages of a stream that are passed on before the event loop turns: thousands of tiny ones may come in one piece. */
const messagesPerTurn = 64;

/**
 * Reads the messages of an RPC for the library, which takes them apart without a limit: each one is read within its
 * limit of bytes, unpacked, and charged what parsing it costs; only then it is passed on, plain, in the framing of its
 * protocol. Its bytes are reserved as they come; what is passed on stays counted.
 *
 * @throws ScoringError what ends the call: `too-large`, `invalid-request`, `deadline-exceeded`, `overloaded`, `cancelled`
 */
export async function* readRpcBody(
  request: NodeRequest,
  options: RpcBodyOptions,
): AsyncGenerator<Uint8Array> {
  const { form, limits } = options;
  const { isJson } = form;
  const account = createMessageAccount(options.usage);
  const maxBytes = isJson ? Math.min(limits.maxBytes, limits.maxJsonBytes) : limits.maxBytes;
  const counted = { ...options, isJson, maxBytes, maxElements: limits.maxElements, account };
  const bytes = createBodyPieces(request, options.usage);
  const pieces = form.isText ? decodedPieces(bytes) : bytes;
  try {
    if (form.isEnveloped) yield* enveloped(pieces, counted);
    else yield* whole(pieces, { ...counted, declaredBytes: declaredBytesOf(request) });
  } finally {
    pieces.stop();
    account.settle(0);
  }
}

/** What each message of a body is read by. */
type BodyMessageOptions = RpcBodyOptions & RpcMessageOptions;

async function* whole(
  pieces: BodyPieces,
  options: BodyMessageOptions & { readonly declaredBytes: number | undefined },
): AsyncGenerator<Uint8Array> {
  const { form, account, maxBytes, declaredBytes } = options;
  if (declaredBytes !== undefined && declaredBytes > maxBytes) throw messageTooLong(maxBytes);
  const message = createRpcMessage(form.coding, options);
  const kind = declaredBytes === undefined ? "at-most" : "exactly";
  const buffer = new GrowingBuffer(kind, declaredBytes ?? maxBytes, messageCutShort);
  for (;;) {
    const piece = await pieces.next(Number.POSITIVE_INFINITY);
    if (!piece) break;
    if (buffer.byteLength + piece.byteLength > maxBytes) throw messageTooLong(maxBytes);
    message.push(piece);
    buffer.push(piece, account);
  }
  yield await message.end(buffer);
}

async function* enveloped(
  pieces: BodyPieces,
  options: BodyMessageOptions,
): AsyncGenerator<Uint8Array> {
  const { maxBytes } = options;
  for (let count = 1; ; count += 1) {
    if (count % messagesPerTurn === 0) await setImmediate();
    const prefix = await nextPrefix(pieces);
    if (!prefix) return;
    if (count > 1 && !options.isStream) throw onlyOneMessage();
    const { flags, byteCount } = readPrefix(prefix);
    if ((flags & ~compressedFlag) !== 0) throw unknownFlags(flags);
    const isPacked = flags === compressedFlag;
    if (isPacked && !options.form.coding) throw undeclaredEncoding();
    if (byteCount > maxBytes) throw messageTooLong(maxBytes);
    const reader = createRpcMessage(
      isPacked && byteCount > 0 ? options.form.coding : undefined,
      options,
    );
    const buffer = new GrowingBuffer("exactly", byteCount, messageCutShort);
    while (buffer.byteLength < byteCount) {
      const piece = await pieces.next(byteCount - buffer.byteLength);
      if (!piece) throw messageCutShort();
      reader.push(piece);
      buffer.push(piece, options.account);
    }
    const message = await reader.end(buffer);
    yield messagePrefix(message.byteLength);
    yield message;
  }
}

/** The prefix of the next message; undefined if there is none. */
async function nextPrefix(pieces: BodyPieces): Promise<Buffer | undefined> {
  const prefix = Buffer.alloc(prefixBytes);
  for (let at = 0; at < prefixBytes; ) {
    const piece = await pieces.next(prefixBytes - at);
    if (!piece && at === 0) return undefined;
    if (!piece) throw messageCutShort();
    prefix.set(piece, at);
    at += piece.byteLength;
  }
  return prefix;
}

function declaredBytesOf({ headers }: NodeRequest): number | undefined {
  const declared = headers["content-length"];
  return declared === undefined ? undefined : Number(declared);
}

/** @throws TooLargeError if the headers say that a single message is longer than it may be */
export function assertDeclaredLength(
  request: NodeRequest,
  { isText }: RpcForm,
  maxBytes: number,
): void {
  const maxBodyBytes = (maxBytes + prefixBytes) * (isText ? 4 / 3 : 1);
  if ((declaredBytesOf(request) ?? 0) > Math.ceil(maxBodyBytes)) throw messageTooLong(maxBytes);
}
