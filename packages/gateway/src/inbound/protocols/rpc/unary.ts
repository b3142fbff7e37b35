import type { DescMethodUnary } from "@bufbuild/protobuf";
import {
  type CallContext,
  createWorkBudget,
  ScoringError,
  type Tasks,
  type WorkBudget,
} from "@tensorgate/core";
import { compressedFlag, framedPieces, prefixBytes, readPrefix } from "@tensorgate/grpc";
import { createMessageCharge } from "@tensorgate/tf-serving";
import type { ReadHeader } from "../../access/access.ts";
import {
  type BodySink,
  createGrowingBuffer,
  type GrowingBuffer,
} from "../../server/body/read-body.ts";
import { createExchange, type ExchangeDeps, pathOf } from "../../server/exchange.ts";
import type { NodeRequest, NodeResponse, Respond } from "../../server/node-http.ts";
import { assertRoomForAnswer, sendReply, sendStream } from "../../server/reply.ts";
import { type CallRunner, type CallWork, type ReplyInfo, untilAborted } from "../call.ts";
import { createIncomingCall } from "../incoming-call.ts";
import {
  messageCutShort,
  messageTooLong,
  noMessage,
  onlyOneMessage,
  undeclaredEncoding,
  undecodable,
  unknownFlags,
} from "./errors.ts";
import { grpcForm, grpcWebForm, plainCallOf, type UnaryForm } from "./unary-form.ts";

/** A message that was read, and how it is answered. */
export interface UnaryRequest {
  /** Name of the model as the caller gave it. */
  readonly askedModel: string | undefined;
  readonly answer: (call: CallContext, tasks: Tasks) => Promise<UnaryAnswer>;
}

export interface UnaryAnswer extends ReplyInfo {
  /** The message of the answer, encoded. */
  readonly message: Uint8Array;
}

/** A method that scores, from bytes to bytes. */
export interface UnaryMethod {
  readonly method: DescMethodUnary;
  /**
   * Reads a message whose cost was checked; what it keeps of the bytes are views.
   * @throws ScoringError if the message is no request
   */
  readonly read: (message: Uint8Array, header: ReadHeader) => UnaryRequest;
  /** Reads a message in JSON and answers in JSON, within a budget of elements; absent where the library does. */
  readonly readJson?: (message: Uint8Array, budget: WorkBudget) => UnaryRequest;
}

export interface UnaryHandlerDeps extends ExchangeDeps {
  readonly methods: readonly UnaryMethod[];
  /** Answers every other request, and those that are unusual in any way. */
  readonly respondByLibrary: Respond;
  readonly runner: CallRunner;
  /** Of one message. */
  readonly maxBytes: number;
  readonly maxJsonBytes: number;
  readonly maxElements: number;
  /** Writes the error of a call, in the form of its protocol. */
  readonly fail: (
    request: NodeRequest,
    response: NodeResponse,
    failed: FailedCall,
  ) => Promise<void>;
}

export interface FailedCall {
  readonly error: ScoringError;
  readonly requestId: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What follows the message of an answer: over gRPC in the trailers, over gRPC-Web in one more envelope. */
const okTrailers = { "grpc-status": "0" } as const;
const webTrailers: Buffer = Buffer.from("\x80\0\0\0\x10grpc-status: 0\r\n", "latin1");

/**
 * Answers the calls of one message that come plain, which are nearly all, without the library: a picture of 100 KB costs
 * it two copies, four generators and as many promises as the message has pieces. JSON it would also read twice.
 */
export function createUnaryHandler(deps: UnaryHandlerDeps): Respond {
  const { respondByLibrary, runner, maxBytes, maxElements, fail } = deps;
  const maxJsonBytes = Math.min(maxBytes, deps.maxJsonBytes);
  const readers = new Map<string, UnaryMethod["read"]>();
  const jsonReaders = new Map<string, UnaryMethod["read"]>();
  for (const of of deps.methods) {
    const path = `/${of.method.parent.typeName}/${of.method.name}`;
    readers.set(path, readerOf(of, maxElements));
    if (of.readJson) jsonReaders.set(path, jsonReaderOf(of.method, of.readJson, maxElements));
  }

  return async (request, response) => {
    const plain = plainCallOf(request);
    const read = (plain?.form.isJson ? jsonReaders : readers).get(pathOf(request));
    if (!read || !plain) return await respondByLibrary(request, response);
    const { form, timeoutMs } = plain;
    const exchange = createExchange(request, response, deps);
    const incoming = createIncomingCall(request, response, {
      protocol: form.protocol,
      operation: exchange.path.slice(1),
      header: exchange.header,
      isPublic: false,
      isRecorded: true,
      body: exchange,
      admit: runner.admit,
    });

    /** Work that goes on after the client has disconnected still holds the message. */
    const answer = async (call: CallContext, tasks: Tasks): Promise<UnaryAnswer> => {
      using _held = exchange;
      const limit = form.isJson ? maxJsonBytes : maxBytes;
      const sink = new MessageSink(form, limit, Number(request.headers["content-length"]));
      // Beside JSON there is what is decoded of it.
      const message = await exchange.bodyInto(sink, form.isJson ? 2 : 1);
      const asked = read(message, exchange.header);
      work.askedModel = asked.askedModel;
      const answered = await asked.answer(call, tasks);
      if (!call.requestBytes?.mayBeRead) exchange.recycle();
      return answered;
    };

    let pieces: readonly Uint8Array[] = [];
    let headers: Readonly<Record<string, string>> = {};
    const work: CallWork<UnaryAnswer> & { askedModel: string | undefined } = {
      askedModel: undefined,
      timeoutMs,
      answer: (call, tasks) => untilAborted(call.signal, answer(call, tasks)),
      write: ({ message }, callHeaders) => {
        assertRoomForAnswer(response, message.byteLength);
        pieces = form.isEnveloped ? framedPieces([message]) : [message];
        headers = {
          "content-type": form.contentType,
          [form.acceptHeader]: "gzip,deflate",
          ...callHeaders,
        };
      },
    };
    const outcome = await runner.run(incoming, work);
    const { requestId } = incoming;
    if (!outcome.ok) return await fail(request, response, { ...outcome, requestId });
    if (form === grpcWebForm) pieces = [...pieces, webTrailers];
    const trailers = form === grpcForm ? okTrailers : undefined;
    const [body = webTrailers, ...more] = pieces;
    const reply = { status: 200, headers, body };
    if (more.length === 0) return sendReply(response, { ...reply, trailers });
    await sendStream(response, { ...reply, body: pieces, trailers: () => trailers ?? {} });
  };
}

/**
 * Creates the reader of a method's messages.
 *
 * @throws TooLargeError if parsing a message would build more than `maxElements`
 * @throws InvalidRequestError if it is not a message of the method
 */
function readerOf({ method, read }: UnaryMethod, maxElements: number): UnaryMethod["read"] {
  const charge = createMessageCharge(method.input);
  return (message, header) => {
    try {
      charge(message, createWorkBudget(maxElements));
    } catch (cause) {
      if (ScoringError.is(cause)) throw cause;
      throw undecodable(method.input.typeName, cause);
    }
    const { buffer, byteOffset, byteLength } = message;
    // Messages hold bytes as they are read: not as buffers, whose `slice` is another.
    return read(new Uint8Array(buffer, byteOffset, byteLength), header);
  };
}

/** The same for messages in JSON. */
function jsonReaderOf(
  { input }: DescMethodUnary,
  readJson: NonNullable<UnaryMethod["readJson"]>,
  maxElements: number,
): UnaryMethod["read"] {
  return (message) => {
    try {
      return readJson(message, createWorkBudget(maxElements));
    } catch (cause) {
      if (ScoringError.is(cause)) throw cause;
      throw undecodable(input.typeName, cause);
    }
  };
}

/** Takes the only message of a call out of its body. */
class MessageSink implements BodySink {
  readonly #maxBytes: number;
  /** Bytes of the prefix that have come; undefined if there is no envelope. */
  readonly #prefix: Buffer | undefined;
  #prefixLength = 0;
  #message: GrowingBuffer | undefined;
  #expectedBytes = 0;

  /** @param declaredBytes - what `content-length` says; NaN where it says nothing */
  constructor({ isEnveloped }: UnaryForm, maxBytes: number, declaredBytes: number) {
    this.#maxBytes = maxBytes;
    if (declaredBytes - (isEnveloped ? prefixBytes : 0) > maxBytes) throw messageTooLong(maxBytes);
    if (isEnveloped) {
      this.#prefix = Buffer.alloc(prefixBytes);
      return;
    }
    const isDeclared = !Number.isNaN(declaredBytes);
    this.#expectedBytes = isDeclared ? declaredBytes : maxBytes;
    this.#message = createGrowingBuffer(isDeclared ? "exactly" : "at-most", this.#expectedBytes);
  }

  push(piece: Buffer, reserve: (byteCount: number) => void): void {
    const rest = this.#message ? piece : this.#begin(piece);
    if (rest.byteLength === 0 || !this.#message) return;
    if (this.#message.byteLength + rest.byteLength > this.#expectedBytes) {
      throw this.#prefix ? onlyOneMessage() : messageTooLong(this.#maxBytes);
    }
    this.#message.append(rest, reserve);
  }

  end(): GrowingBuffer {
    if (!this.#message && this.#prefixLength === 0) throw noMessage();
    const isWhole =
      this.#message && (!this.#prefix || this.#message.byteLength === this.#expectedBytes);
    if (!this.#message || !isWhole) throw messageCutShort();
    return this.#message;
  }

  free(): void {
    this.#message?.free();
  }

  /** Reads the prefix. @returns what follows it */
  #begin(piece: Buffer): Buffer {
    const prefix = this.#prefix ?? Buffer.alloc(prefixBytes);
    const taken = piece.copy(prefix, this.#prefixLength);
    this.#prefixLength += taken;
    if (this.#prefixLength < prefixBytes) return piece.subarray(taken);
    const { flags, byteCount } = readPrefix(prefix);
    if (flags !== 0) throw flags === compressedFlag ? undeclaredEncoding() : unknownFlags(flags);
    if (byteCount > this.#maxBytes) throw messageTooLong(this.#maxBytes);
    this.#expectedBytes = byteCount;
    this.#message = createGrowingBuffer("exactly", byteCount);
    return piece.subarray(taken);
  }
}
