import type { DescMethodUnary } from "@bufbuild/protobuf";
import {
  type CallContext,
  createWorkBudget,
  type Protocol,
  ScoringError,
  type Tasks,
  type WorkBudget,
} from "@tensorgate/core";
import {
  compressedFlag,
  framedPieces,
  parseTimeout,
  prefixBytes,
  readPrefix,
} from "@tensorgate/grpc";
import type { ReadHeader } from "../../access/access.ts";
import type { MemoryAccount } from "../../server/body/body-budget.ts";
import { type BodySink, GrowingBuffer } from "../../server/body/read-body.ts";
import { type ExchangeDeps, HttpExchange, pathOf } from "../../server/exchange.ts";
import type { NodeRequest, NodeResponse, Respond } from "../../server/node-http.ts";
import { assertRoomForAnswer, sendReply, sendStream } from "../../server/reply.ts";
import type { CallRunner, CallWork, ReplyInfo } from "../call.ts";
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

/** How the message of a call stands in its body, and that of the answer. */
interface UnaryForm {
  readonly protocol: Protocol;
  /** Whether it comes in an envelope; otherwise the body is the message. */
  readonly isEnveloped: boolean;
  readonly isJson: boolean;
  readonly timeoutHeader: string;
  /** @returns milliseconds; undefined if the library is to reject it */
  readonly timeoutFrom: (text: string) => number | undefined;
  /** Of answers, whichever of its names the request has. */
  readonly contentType: string;
  /** Says which compression requests may have. */
  readonly acceptHeader: string;
}

const grpcForm: UnaryForm = {
  protocol: "grpc",
  isEnveloped: true,
  isJson: false,
  contentType: "application/grpc+proto",
  timeoutHeader: "grpc-timeout",
  timeoutFrom: parseTimeout,
  acceptHeader: "grpc-accept-encoding",
};
const grpcWebForm: UnaryForm = {
  ...grpcForm,
  protocol: "grpc-web",
  contentType: "application/grpc-web+proto",
};
const connect: UnaryForm = {
  protocol: "connect",
  isEnveloped: false,
  isJson: false,
  contentType: "application/proto",
  timeoutHeader: "connect-timeout-ms",
  timeoutFrom: (text) => (/^\d{1,10}$/.test(text) ? Number(text) : undefined),
  acceptHeader: "accept-encoding",
};

const connectJson: UnaryForm = { ...connect, isJson: true, contentType: "application/json" };

const forms: ReadonlyMap<string, UnaryForm> = new Map([
  ["application/grpc", grpcForm],
  ["application/grpc+proto", grpcForm],
  ["application/grpc-web", grpcWebForm],
  ["application/grpc-web+proto", grpcWebForm],
  ["application/proto", connect],
  ["application/json", connectJson],
]);

/** A request that is read here, as its headers say. */
interface PlainCall {
  readonly form: UnaryForm;
  readonly timeoutMs: number | undefined;
}

/** @returns undefined if the library is to read the request, or reject it: compressed, or unusual in any other way */
function plainCallOf({ method, headers, httpVersionMajor }: NodeRequest): PlainCall | undefined {
  const form = forms.get(headers["content-type"] ?? "");
  if (!form || method !== "POST") return undefined;
  // Trailers of HTTP/1.1 are an exception, which the library knows.
  if (form === grpcForm && httpVersionMajor < 2) return undefined;
  const isPacked =
    headers["content-encoding"] ?? headers["grpc-encoding"] ?? headers["connect-content-encoding"];
  if (isPacked !== undefined && isPacked !== "identity") return undefined;
  const version = headers["connect-protocol-version"];
  if (version !== undefined && version !== "1") return undefined;
  const timeout = headers[form.timeoutHeader];
  if (timeout === undefined) return { form, timeoutMs: undefined };
  const timeoutMs = form.timeoutFrom(String(timeout));
  return timeoutMs === undefined ? undefined : { form, timeoutMs };
}

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
   * Reads a message within a budget of elements; what it keeps of the bytes are views.
   * @throws ScoringError or any other error if the message is no request
   */
  readonly read: ReadMessage;
  /** Reads a message in JSON and answers in JSON; absent where the library does. */
  readonly readJson?: ReadMessage;
}

type ReadMessage = (message: Uint8Array, budget: WorkBudget, header: ReadHeader) => UnaryRequest;

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
  const methods = new Map<string, UnaryMethod>();
  for (const each of deps.methods) {
    methods.set(`/${each.method.parent.typeName}/${each.method.name}`, each);
  }

  return async (request, response): Promise<void> => {
    const plain = plainCallOf(request);
    const method = plain && methods.get(pathOf(request));
    const read = plain?.form.isJson ? method?.readJson : method?.read;
    if (!method || !read || !plain) return void (await respondByLibrary(request, response));
    const { form, timeoutMs } = plain;
    const exchange = new HttpExchange(request, response, deps);
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
      let asked: UnaryRequest;
      try {
        // Messages hold bytes as they are read: not as buffers, whose `slice` is another.
        const bytes = new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
        asked = read(bytes, createWorkBudget(maxElements), exchange.header);
      } catch (cause) {
        if (ScoringError.is(cause)) throw cause;
        throw undecodable(method.method.input.typeName, cause);
      }
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
      endsOnAbort: true,
      answer,
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

/** Takes the only message of a call out of its body. */
class MessageSink implements BodySink {
  readonly #maxBytes: number;
  /** Bytes of the prefix that have come; undefined if there is no envelope. */
  readonly #prefix: Buffer | undefined;
  #prefixLength = 0;
  #message: GrowingBuffer | undefined;

  /** @param declaredBytes - what `content-length` says; NaN where it says nothing */
  constructor({ isEnveloped }: UnaryForm, maxBytes: number, declaredBytes: number) {
    this.#maxBytes = maxBytes;
    if (declaredBytes - (isEnveloped ? prefixBytes : 0) > maxBytes) throw messageTooLong(maxBytes);
    if (isEnveloped) {
      this.#prefix = Buffer.alloc(prefixBytes);
      return;
    }
    this.#message = Number.isNaN(declaredBytes)
      ? new GrowingBuffer("at-most", maxBytes, () => messageTooLong(maxBytes))
      : new GrowingBuffer("exactly", declaredBytes, messageCutShort);
  }

  push(piece: Buffer, account: MemoryAccount): void {
    const rest = this.#message ? piece : this.#begin(piece);
    if (rest.byteLength > 0) this.#message?.push(rest, account);
  }

  end(): Uint8Array | Promise<Uint8Array> {
    if (this.#message) return this.#message.end();
    throw this.#prefixLength === 0 ? noMessage() : messageCutShort();
  }

  free(): void {
    this.#message?.free();
  }

  recycle(): void {
    this.#message?.recycle();
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
    this.#message = new GrowingBuffer("exactly", byteCount, (bytes) =>
      bytes > byteCount ? onlyOneMessage() : messageCutShort(),
    );
    return piece.subarray(taken);
  }
}
