import { setImmediate } from "node:timers/promises";
import type { DescMessage } from "@bufbuild/protobuf";
import { InvalidRequestError, NotSupportedError, TooLargeError } from "@tensorgate/core";
import { compressedFlag, messagePrefix, prefixBytes, readPrefix } from "@tensorgate/grpc";
import type { BodyUsage } from "../../server/body/body-budget.ts";
import type { Gunzip } from "../../server/body/gunzip.ts";
import {
  type BodyPieces,
  createBodyPieces,
  createGrowingBuffer,
  type GrowingBuffer,
} from "../../server/body/read-body.ts";
import type { NodeRequest } from "../../server/node-http.ts";
import type { RpcForm } from "./form.ts";
import { createMessageCheck, type MessageLimits } from "./message-check.ts";
import { decodedPieces } from "./web-text.ts";

export interface RpcBodyOptions {
  readonly form: RpcForm;
  /** What each message is. */
  readonly schema: DescMessage;
  /** Whether there may be more than one. */
  readonly isStream: boolean;
  /** They hold for each message, as it came and unpacked. */
  readonly limits: MessageLimits;
  readonly usage: BodyUsage;
  readonly gunzip: Gunzip;
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
  const bytes = createBodyPieces(request, options.usage);
  const pieces = options.form.isText ? decodedPieces(bytes) : bytes;
  const account = createAccount(options.usage);
  const counted = { ...options, account };
  try {
    if (options.form.isEnveloped) yield* enveloped(pieces, counted);
    else yield* whole(pieces, { ...counted, declaredBytes: declaredBytesOf(request) });
  } finally {
    pieces.stop();
    account.settle(0);
  }
}

/** What is reserved for the message that is being read. */
interface Account {
  /** @throws OverloadedError if all requests together hold as much as they may */
  readonly reserve: (byteCount: number) => void;
  /** Leaves so much reserved, which is no longer for this account to give back. */
  settle(keptBytes: number): void;
}

function createAccount(usage: BodyUsage): Account {
  let heldBytes = 0;
  const reserve = (byteCount: number): void => {
    usage.reserve(byteCount);
    heldBytes += byteCount;
  };
  return {
    reserve,
    settle: (keptBytes) => {
      if (keptBytes > heldBytes) reserve(keptBytes - heldBytes);
      else usage.release(heldBytes - keptBytes);
      heldBytes = 0;
    },
  };
}

type CountedOptions = RpcBodyOptions & { readonly account: Account };

async function* whole(
  pieces: BodyPieces,
  options: CountedOptions & { readonly declaredBytes: number | undefined },
): AsyncGenerator<Uint8Array> {
  const { form, account, declaredBytes } = options;
  const maxBytes = maxBytesOf(options);
  if (declaredBytes !== undefined && declaredBytes > maxBytes) throw messageTooLong(maxBytes);
  const message = startMessage(form.isPacked, options);
  const kind = declaredBytes === undefined ? "at-most" : "exactly";
  const buffer = createGrowingBuffer(kind, declaredBytes ?? maxBytes);
  for (;;) {
    const piece = await pieces.next(Number.POSITIVE_INFINITY);
    if (!piece) break;
    if (buffer.byteLength + piece.byteLength > maxBytes) throw messageTooLong(maxBytes);
    message.push(piece);
    buffer.append(piece, account.reserve);
  }
  yield await message.end(buffer);
}

async function* enveloped(pieces: BodyPieces, options: CountedOptions): AsyncGenerator<Uint8Array> {
  const maxBytes = maxBytesOf(options);
  for (let count = 1; ; count += 1) {
    if (count % messagesPerTurn === 0) await setImmediate();
    const prefix = await nextPrefix(pieces);
    if (!prefix) return;
    if (count > 1 && !options.isStream)
      throw new NotSupportedError("the method takes exactly one message");
    const { flags, byteCount } = readPrefix(prefix);
    if ((flags & ~compressedFlag) !== 0) {
      throw new InvalidRequestError(`unknown message flags ${flags}`);
    }
    const isPacked = flags === compressedFlag;
    if (isPacked && !options.form.isPacked) {
      throw new InvalidRequestError(
        "the message is compressed, but no header declares the encoding",
        {
          field: "grpc-encoding",
        },
      );
    }
    if (byteCount > maxBytes) throw messageTooLong(maxBytes);
    const message = await readMessage(pieces, byteCount, {
      ...options,
      isPacked: isPacked && byteCount > 0,
    });
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
    if (!piece) throw cutShort();
    prefix.set(piece, at);
    at += piece.byteLength;
  }
  return prefix;
}

async function readMessage(
  pieces: BodyPieces,
  byteCount: number,
  options: CountedOptions & { readonly isPacked: boolean },
): Promise<Uint8Array> {
  const message = startMessage(options.isPacked, options);
  const buffer = createGrowingBuffer("exactly", byteCount);
  while (buffer.byteLength < byteCount) {
    const piece = await pieces.next(byteCount - buffer.byteLength);
    if (!piece) throw cutShort();
    message.push(piece);
    buffer.append(piece, options.account.reserve);
  }
  return message.end(buffer);
}

/** Checks a message while it comes, or once it is unpacked. */
function startMessage(isPacked: boolean, options: CountedOptions) {
  const { form, schema, limits, account, gunzip, onMessage } = options;
  const { maxElements } = limits;
  const check = createMessageCheck(schema, { isJson: form.isJson, maxElements });

  async function end(came: GrowingBuffer): Promise<Uint8Array> {
    let message = came.bytes();
    if (isPacked) {
      message = await gunzip(message, maxBytesOf(options), account.reserve);
      check.push(message);
    }
    check.end(message);
    // The library reads it a second time: each of the two may take as long as a turn of the event loop should.
    if (form.isJson) await setImmediate();
    // The library copies it into memory of the right length; of JSON it holds what it decodes, too.
    const keptBytes = form.isJson ? 2 * message.byteLength : message.byteLength;
    account.settle(keptBytes);
    onMessage(keptBytes);
    return message;
  }

  return {
    push: (piece: Uint8Array): void => {
      if (!isPacked) check.push(piece);
    },
    end,
  };
}

function maxBytesOf({ form, limits }: RpcBodyOptions): number {
  return form.isJson ? Math.min(limits.maxBytes, limits.maxJsonBytes) : limits.maxBytes;
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

function messageTooLong(maxBytes: number): TooLargeError {
  return new TooLargeError(`the message is longer than ${maxBytes} bytes`, {
    hint: "send fewer or smaller pictures",
  });
}

function cutShort(): InvalidRequestError {
  return new InvalidRequestError("the last message is truncated");
}
