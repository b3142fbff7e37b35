import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { InvalidRequestError } from "@tensorgate/core";
import { connectErrorFrom } from "./connect-errors.ts";
import { rpcRefusal } from "./rpc-refusal.ts";
import { wireStatusOf } from "./wire-status.ts";

export interface UnreadParts {
  readonly contentType: string;
  readonly requestId: string;
  /** Whether the call was begun: if not, its message could not be read. */
  readonly wasBegun: () => boolean;
}

/** How the library says that it could not read a binary message: as an internal error, as gRPC servers do. */
const internalCode = "13";

/**
 * Blames the caller, not us, for a message that cannot be read: the answer is a call's own otherwise.
 * Of unary calls; for streams see `readableMessages`.
 */
export function blamingTheCaller(
  answer: UniversalServerResponse,
  { contentType, requestId, wasBegun }: UnreadParts,
): UniversalServerResponse {
  const unread = new InvalidRequestError("the message cannot be read as what the method takes");
  const error = connectErrorFrom(unread, requestId);
  if (!contentType.startsWith("application/grpc")) {
    if (wasBegun() || answer.status !== 500) return answer;
    const { status, headers, body } = rpcRefusal(contentType, error, wireStatusOf(unread).http);
    return { status, header: new Headers(headers), body: once(bytesOf(body)) };
  }
  if (!answer.body) return answer;
  const isWeb = contentType.startsWith("application/grpc-web");
  return { ...answer, body: checked(answer.body) };

  async function* checked(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      const isTrailer = isWeb && ((piece[0] ?? 0) & trailerFlag) !== 0;
      const isTheirs = isTrailer && !wasBegun() && isInternal(piece);
      yield isTheirs ? webTrailer() : piece;
    }
    const { trailer } = answer;
    if (wasBegun() || trailer?.get("grpc-status") !== internalCode) return;
    setTrailerStatus(trailer, error);
  }

  function webTrailer(): Uint8Array {
    const trailer = new Headers(error.metadata);
    setTrailerStatus(trailer, error);
    const text = trailerSerialize(trailer);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(trailerFlag, 0);
    prefix.writeUInt32BE(text.byteLength, 1);
    return Buffer.concat([prefix, text]);
  }
}

/** The messages of a stream; ends with the caller's error, not ours, at one that cannot be read. */
export async function* readableMessages<Message>(
  messages: AsyncIterable<Message>,
): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (thrown) {
    const isTheirs = thrown instanceof ConnectError && thrown.code === Code.Internal;
    throw isTheirs ? new ConnectError(thrown.rawMessage, Code.InvalidArgument) : thrown;
  }
}

function isInternal(piece: Uint8Array): boolean {
  return /^grpc-status: *13\r?$/im.test(Buffer.from(piece.subarray(5)).toString("latin1"));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === "string" ? Buffer.from(body, "utf8") : body;
}
