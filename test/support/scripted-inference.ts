import { fromBinary, fromJson, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { GRPCInferenceService } from "@tensorgate/proto/inference/open_inference";

/** A reply of a script: a message, a status, any bytes, or the end of the server. */
export type ScriptedReply = "close" | (JsonObject & { readonly delay_ms?: number });

/** What a backend of the Open Inference Protocol has, and answers, in proto3 JSON with the proto's names. */
export interface InferenceScript {
  readonly model: string;
  /** With `$extra_field_6_b64`: bytes of a field that servers fill differently. */
  readonly metadata: JsonObject;
  /** By method, one after the other; the last one again and again. */
  readonly replies: Readonly<Record<string, readonly ScriptedReply[]>>;
}

export interface ReceivedCall {
  readonly method: string;
  readonly request: JsonObject;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ScriptedInference extends AsyncDisposable {
  readonly address: string;
  readonly calls: readonly ReceivedCall[];
}

/** Starts a server that answers by a script, and records what it was asked. */
export async function startScriptedInference(script: InferenceScript): Promise<ScriptedInference> {
  const calls: ReceivedCall[] = [];
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  const same = (bytes: Buffer) => bytes;
  const unary = GRPCInferenceService.methods.filter(({ methodKind }) => methodKind === "unary");
  const definitions = unary.map(({ name, parent }) => [
    name,
    {
      path: `/${parent.typeName}/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  ]);

  /** What to answer: bytes, or a status; undefined if the server ends instead. */
  function answerOf(
    method: Method,
    received: Buffer,
    metadata: ReceivedCall["metadata"],
  ): Scripted {
    const { name, input } = method;
    const json = toJson(input, fromBinary(input, received), { useProtoFieldName: true });
    const request = json as JsonObject;
    const before = calls.filter((each) => each.method === name).length;
    calls.push({ method: name, request, metadata });
    const replies = script.replies[name] ?? [];
    const reply = replies[Math.min(before, replies.length - 1)];
    return reply === undefined ? usual(method, request, script) : scripted(reply, method, request);
  }

  server.addService(
    Object.fromEntries(definitions),
    Object.fromEntries(
      unary.map((method) => [
        method.name,
        (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
          const answer = answerOf(method, call.request, metadataOf(call));
          if (answer === "close") server.forceShutdown();
          else if (answer.delayMs > 0) setTimeout(() => send(answer, done), answer.delayMs).unref();
          else send(answer, done);
        },
      ]),
    ),
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    calls,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
}

type Method = (typeof GRPCInferenceService.methods)[number];

/** What a call is answered with. */
type Scripted =
  | "close"
  | ({ readonly delayMs: number } & (
      | { readonly message: Buffer }
      | { readonly code: number; readonly details: string }
    ));

function send(answer: Exclude<Scripted, "close">, done: sendUnaryData<Buffer>): void {
  if ("message" in answer) done(null, answer.message);
  else done({ code: answer.code, details: answer.details });
}

function metadataOf(call: ServerUnaryCall<Buffer, Buffer>): ReceivedCall["metadata"] {
  const deadline = call.getDeadline();
  const hasDeadline = deadline instanceof Date || Number.isFinite(deadline);
  return {
    ...(call.metadata.getMap() as Record<string, string>),
    ...(hasDeadline && { "grpc-timeout": String(deadline) }),
  };
}

const encoded = ({ output }: Method, message: JsonObject) =>
  Buffer.from(toBinary(output, fromJson(output, message)));

function scripted(reply: ScriptedReply, method: Method, request: JsonObject): Scripted {
  if (reply === "close") return reply;
  const { delay_ms: delayMs = 0, ...rest } = reply;
  const failed = rest["status"] as { code: keyof typeof status; message: string } | undefined;
  if (failed) return { delayMs, code: status[failed.code], details: failed.message };
  if (typeof rest["bytes_b64"] === "string") {
    return { delayMs, message: Buffer.from(rest["bytes_b64"], "base64") };
  }
  const told = (rest["message"] ?? rest) as JsonObject;
  const { id } = request;
  const withId = id === undefined || "id" in told ? told : { ...told, id };
  return { delayMs, message: encoded(method, withId) };
}

/** What a server without a script for the method answers. */
function usual(
  method: Method,
  request: JsonObject,
  { model, metadata }: InferenceScript,
): Scripted {
  const asked = request["name"] ?? request["model_name"];
  const answer = (message: JsonObject) => ({ delayMs: 0, message: encoded(method, message) });
  switch (method.name) {
    case "ServerLive":
      return answer({ live: true });
    case "ServerReady":
      return answer({ ready: true });
    case "ModelReady":
      return answer({ ready: asked === model });
    case "ServerMetadata":
      return answer({ name: "scripted", version: "1" });
    case "ModelMetadata":
    case "ModelInfer": {
      if (method.name === "ModelInfer" || asked !== model) {
        const details = `Request for unknown model: '${asked}' is not found`;
        return { delayMs: 0, code: status.NOT_FOUND, details };
      }
      const { $extra_field_6_b64: extra, ...told } = metadata;
      const field = Buffer.from(String(extra ?? ""), "base64");
      const more = extra === undefined ? [] : [Buffer.of(0x32, field.byteLength), field];
      return { delayMs: 0, message: Buffer.concat([encoded(method, told), ...more]) };
    }
    default:
      return { delayMs: 0, code: status.UNIMPLEMENTED, details: "" };
  }
}
