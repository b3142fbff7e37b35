import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import type { ModelMetadata, Tensor } from "@tensorgate/core";
import { GetModelMetadataResponseSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import {
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import {
  modelMetadataResponse,
  predictResponseSegments,
  type ReceivedPredictRequest,
  readPredictRequest,
  servingErrors,
  type TensorEncoding,
} from "@tensorgate/tf-serving";

/** A replica that a test answers for by hand. */
export interface FakeReplica extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Resolves to the next `Predict` that comes in. */
  nextPredict(): Promise<PredictCall>;
  /** How many have come in so far. */
  predictCount(): number;
  /** From now on nothing but `Predict` is answered, so that every probe is lost; or everything again. */
  ignoreProbes(isIgnored: boolean): void;
  /** Breaks every connection; the next one is taken. */
  resetConnections(): void;
}

export interface PredictCall {
  readonly headers: http2.IncomingHttpHeaders;
  readonly stream: http2.ServerHttp2Stream;
  /** Ends the call with a status and, for 0, with an empty response. */
  answer(grpcStatus: number, message?: string): void;
  /** Ends the call with these outputs. */
  succeed(outputs: ReadonlyMap<string, Tensor>): void;
}

export interface FakeReplicaOptions {
  /** What to speak TLS with. */
  readonly tls?: http2.SecureServerOptions;
  /** Answers every `Predict` at once, in place of the test. */
  readonly answer?: (
    request: ReceivedPredictRequest,
    headers: http2.IncomingHttpHeaders,
  ) => ReadonlyMap<string, Tensor> | GrpcError;
  /** Answers any call in place of the replica, and returns whether it did. Nothing of the request was read. */
  readonly intercept?: (
    stream: http2.ServerHttp2Stream,
    headers: http2.IncomingHttpHeaders,
  ) => boolean;
  /** Signatures of any model; without them `GetModelMetadata` is UNIMPLEMENTED. */
  readonly signatures?: ModelMetadata["signatures"];
  /** Versions of any model that it has now; with `answer` it answers as the latest, or the one that is asked for. */
  readonly versions?: () => readonly bigint[];
  /** How the values of its tensors are written. */
  readonly encoding?: TensorEncoding;
  /** Whether it answers nothing but `Predict`. */
  readonly isPredictOnly?: boolean;
  /** A free one by default. */
  readonly port?: number;
}

export interface GrpcError {
  readonly code: number;
  readonly message: string;
}

/** Says that version 1 of any model is there, unless told otherwise, and hands every `Predict` to the test. */
export async function startFakeReplica({
  tls,
  answer,
  intercept = () => false,
  signatures,
  versions = () => [1n],
  encoding = "values",
  isPredictOnly = false,
  port = 0,
}: FakeReplicaOptions = {}): Promise<FakeReplica> {
  const server = tls ? http2.createSecureServer(tls) : http2.createServer();
  let predictCount = 0;
  let areProbesIgnored = false;
  const sessions = new Set<http2.ServerHttp2Session>();
  const arrived: PredictCall[] = [];
  const waiting: ((call: PredictCall) => void)[] = [];
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (intercept(stream, headers)) return;
    if (answer && headers[":path"]?.endsWith("/Predict")) {
      return answerPredict(stream, {
        encoding,
        versions,
        answer: (request) => answer(request, headers),
      });
    }
    stream.resume();
    if (areProbesIgnored && !headers[":path"]?.endsWith("/Predict")) return;
    if (isPredictOnly) return refuse(stream, { code: 12, message: "" });
    if (headers[":path"]?.endsWith("/GetModelStatus")) return answerStatus(stream, versions());
    if (headers[":path"]?.endsWith("/GetModelMetadata")) {
      if (signatures) return answerMetadata(stream, signatures);
      return refuse(stream, { code: 12, message: "" });
    }
    if (!headers[":path"]?.endsWith("/Predict")) return refuse(stream, { code: 12, message: "" });
    predictCount += 1;
    const call: PredictCall = {
      headers,
      stream,
      answer: (grpcStatus, message = "") => {
        if (grpcStatus === 0) return reply(stream, new Uint8Array());
        refuse(stream, { code: grpcStatus, message });
      },
      succeed: (outputs) => replyOutputs(stream, outputs, { encoding, version: 1n }),
    };
    const waiter = waiting.shift();
    if (waiter) waiter(call);
    else arrived.push(call);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const bound = (server.address() as AddressInfo).port;
  return {
    address: `127.0.0.1:${bound}`,
    port: bound,
    ignoreProbes: (isIgnored) => {
      areProbesIgnored = isIgnored;
    },
    resetConnections: () => {
      for (const session of sessions) session.destroy();
    },
    predictCount: () => predictCount,
    nextPredict: () => {
      const call = arrived.shift();
      return call ? Promise.resolve(call) : new Promise((resolve) => waiting.push(resolve));
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}

function answerPredict(
  stream: http2.ServerHttp2Stream,
  { answer, encoding, versions }: ReplyOptions,
): void {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.once("end", () => {
    // A call that was cut ends like a whole one.
    if (stream.aborted || stream.destroyed) return;
    const request = readOrRefuse(stream, Buffer.concat(chunks).subarray(5));
    if (!request) return;
    const { name = "", version } = request.modelSpec ?? {};
    const [latest = 0n] = versions().toSorted((a, b) => (a > b ? -1 : 1));
    if (version !== undefined && !versions().includes(version)) {
      const { grpcCode: code, message } = servingErrors.servableNotFound(name, version);
      return refuse(stream, { code, message });
    }
    const outputs = answer(request);
    if ("code" in outputs) return refuse(stream, outputs);
    replyOutputs(stream, outputs, { encoding, version: version ?? latest });
  });
}

const invalidArgument = 3;

/** A message that the gateway passed on undecoded may be one that no server takes. */
function readOrRefuse(
  stream: http2.ServerHttp2Stream,
  message: Uint8Array,
): ReceivedPredictRequest | undefined {
  try {
    return readPredictRequest(message);
  } catch (thrown) {
    refuse(stream, { code: invalidArgument, message: String(thrown) });
    return undefined;
  }
}

function replyOutputs(
  stream: http2.ServerHttp2Stream,
  outputs: ReadonlyMap<string, Tensor>,
  { encoding, version }: { readonly encoding: TensorEncoding; readonly version: bigint },
): void {
  const model = { name: "fake", version };
  const parts = { model, outputs, signatureName: "serving_default", encoding };
  reply(stream, Buffer.concat(predictResponseSegments(parts)));
}

interface ReplyOptions {
  readonly answer: (request: ReceivedPredictRequest) => ReadonlyMap<string, Tensor> | GrpcError;
  readonly encoding: TensorEncoding;
  readonly versions: () => readonly bigint[];
}

/** Ends a call with a status and no message. */
export function refuse(stream: http2.ServerHttp2Stream, { code, message }: GrpcError): void {
  stream.respond(
    {
      "content-type": "application/grpc",
      "grpc-status": code,
      "grpc-message": encodeURIComponent(message),
    },
    { endStream: true },
  );
}

function answerStatus(stream: http2.ServerHttp2Stream, versions: readonly bigint[]): void {
  const status = create(GetModelStatusResponseSchema, {
    modelVersionStatus: versions.map((version) => ({ version, state: State.AVAILABLE })),
  });
  reply(stream, toBinary(GetModelStatusResponseSchema, status));
}

function answerMetadata(
  stream: http2.ServerHttp2Stream,
  signatures: ModelMetadata["signatures"],
): void {
  const response = modelMetadataResponse({ model: { name: "fake", version: 1n }, signatures });
  const message = create(GetModelMetadataResponseSchema, response);
  reply(stream, toBinary(GetModelMetadataResponseSchema, message));
}

/** Ends a call with a message. */
export function reply(stream: http2.ServerHttp2Stream, message: Uint8Array): void {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(Buffer.concat([prefix, message]));
}
