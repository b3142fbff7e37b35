import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  createConnectRouter,
  type HandlerContext,
} from "@connectrpc/connect";
import {
  type CallContext,
  type Clock,
  createWorkBudget,
  InvalidRequestError,
  joined,
  MalformedMessageError,
  scoreAll,
  type Tasks,
} from "@tensorgate/core";
import {
  type InferResponseMessage,
  inferRequestHead,
  inferResponseSegments,
  type ReceivedInferRequest,
  readInferMessage,
  streamErrorSegments,
  streamResponseSegments,
} from "@tensorgate/open-inference";
import {
  GRPCInferenceService,
  ModelStreamInferResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import { createMessageCharge } from "@tensorgate/tf-serving";
import { modelSpecOf } from "../../described-model.ts";
import { runInference } from "../../inference-call.ts";
import { decodeResponse } from "../../serving-call.ts";
import { heldMessage, type RpcAnswer, type RpcRunner, rpcKey } from "../connect/call.ts";
import {
  type CodecRouters,
  opaqueService,
  streamMethod,
  unaryMethod,
} from "../connect/opaque-service.ts";
import { connectErrorFrom, reasonOfAbort } from "../errors.ts";
import type { UnaryMethod } from "../unary.ts";

const inferMethods = { unary: "ModelInfer", stream: "ModelStreamInfer" } as const;

/** Whether a path is that of a method of the Open Inference Protocol that scores. */
export function isInferMethod(path: string): boolean {
  return Object.values(inferMethods).some(
    (method) => path === `/${GRPCInferenceService.typeName}/${method}`,
  );
}

/** Fields, values of contents and elements of BYTES of one request. */
const maxElements = 600_000;

/** Messages of one stream that are scored at the same time; more are read when one is answered. */
const maxInFlight = 8;

export interface InferenceRoutersDeps {
  readonly rpc: RpcRunner;
  readonly clock: Clock;
  readonly options: ConnectRouterOptions;
}

/** The scoring methods of `inference.GRPCInferenceService`, in both codecs. */
export function createInferenceRouters(deps: InferenceRoutersDeps): CodecRouters {
  const { rpc, options } = deps;
  const { unary, stream } = inferMethods;
  const binary = createConnectRouter(options);
  const json = createConnectRouter(options);
  const opaque = opaqueService(GRPCInferenceService.typeName, [unary], [stream]);
  const { modelInfer, modelStreamInfer } = GRPCInferenceService.method;

  async function infer(message: Uint8Array, context: HandlerContext): Promise<Uint8Array> {
    const { modelName: name } = inferRequestHead(message);
    return rpc.run({ name }, context, async (call, tasks) => {
      const { response, ...info } = await answered(message, { call, tasks, clock: deps.clock });
      return { ...info, message: joined(inferResponseSegments(response)) };
    });
  }

  const opaqueUnary = unaryMethod(opaque, unary);
  binary.rpc(opaqueUnary, async (request: Message, context) =>
    fromBinary(opaqueUnary.output, await infer(toBinary(opaqueUnary.input, request), context)),
  );
  json.rpc(modelInfer, async (request, context) =>
    decodeResponse(modelInfer.output, await infer(toBinary(modelInfer.input, request), context)),
  );

  const opaqueStream = streamMethod(opaque, stream);
  binary.rpc(opaqueStream, async function* (requests: AsyncIterable<Message>, context) {
    const encoded = mapped(requests, (request) => toBinary(opaqueStream.input, request));
    for await (const answer of inferStream(encoded, context, deps)) {
      yield fromBinary(opaqueStream.output, answer);
    }
  });
  json.rpc(modelStreamInfer, async function* (requests, context) {
    const encoded = mapped(requests, (request) => toBinary(modelStreamInfer.input, request));
    for await (const answer of inferStream(encoded, context, deps)) {
      yield decodeResponse(ModelStreamInferResponseSchema, answer);
    }
  });
  return { binary, json };
}

/** `ModelInfer` from bytes to bytes. */
export function inferUnaryMethod(clock: Clock): UnaryMethod {
  const { unary } = inferMethods;
  const method = unaryMethod(opaqueService(GRPCInferenceService.typeName, [unary]), unary);
  const charge = createMessageCharge(method.input);
  return {
    method,
    read: (message, budget) => {
      charge(message, budget);
      return {
        askedModel: inferRequestHead(message).modelName,
        answer: async (call, tasks) => {
          const { response, ...info } = await answered(message, { call, tasks, clock });
          return { ...info, message: joined(inferResponseSegments(response)) };
        },
      };
    },
  };
}

interface AnsweredRequest extends Omit<RpcAnswer<never>, "message"> {
  readonly response: InferResponseMessage;
}

/** Reads, scores and answers one `ModelInferRequest`. */
async function answered(
  message: Uint8Array,
  deps: { readonly call: CallContext; readonly tasks: Tasks; readonly clock: Clock },
): Promise<AnsweredRequest> {
  const request = readRequest(message);
  const { modelName, modelVersion, id, isRaw } = request;
  const modelSpec = modelSpecOf(modelName, modelVersion);
  const resolved = deps.tasks.resolve(modelSpec, deps.call);
  const { model, region, outputs } = await runInference(modelSpec, request, {
    ...deps,
    model: () => resolved,
  });
  const response = {
    id,
    isRaw,
    modelName: model.name,
    modelVersion: model.version > 0n ? String(model.version) : "",
    outputs,
  };
  return { response, model, ...(region !== undefined && { region }) };
}

function readRequest(message: Uint8Array): ReceivedInferRequest {
  try {
    return readInferMessage(message, createWorkBudget(maxElements));
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    throw new InvalidRequestError(
      `the message cannot be decoded as inference.ModelInferRequest: ${thrown.message}`,
      { cause: thrown },
    );
  }
}

/**
 * Answers each message of a stream once, in the order of the messages, as Triton does: programs that match answers by
 * their order rely on it. A failure is an answer, and the stream goes on. Reads no further than it can score, so that a
 * fast caller is held back by HTTP/2's windows.
 */
async function* inferStream(
  requests: AsyncIterable<Uint8Array>,
  context: HandlerContext,
  { rpc, clock }: InferenceRoutersDeps,
): AsyncGenerator<Uint8Array> {
  const { signal } = context;

  async function answer(message: Uint8Array): Promise<Uint8Array> {
    using _message = heldMessage(context);
    const head = inferRequestHead(message);
    try {
      return await rpc.run({ name: head.modelName }, context, async (call, tasks) => {
        const { response, ...info } = await answered(message, { call, tasks, clock });
        return { ...info, message: joined(streamResponseSegments(response)) };
      });
    } catch (thrown) {
      // Without a valid key nothing more is answered.
      const isOfMessage = thrown instanceof ConnectError && thrown.code !== Code.Unauthenticated;
      if (signal.aborted || !isOfMessage) throw thrown;
      return joined(streamErrorSegments(thrown.rawMessage, head));
    }
  }

  const options = { concurrency: maxInFlight, signal };
  for await (const outcome of scoreAll(requests, options, inOrder(answer))) {
    if (!outcome.ok) throw outcome.error;
    yield outcome.value;
  }
  if (!signal.aborted) return;
  const { incoming } = context.values.get(rpcKey);
  throw connectErrorFrom(reasonOfAbort(signal.reason), incoming.requestId);
}

/** Lets every result wait for those of the inputs before. */
function inOrder<Input, Value>(
  work: (input: Input) => Promise<Value>,
): (input: Input) => Promise<Value> {
  let last: Promise<unknown> = Promise.resolve();
  return (input) => {
    const before = last;
    const result = (async () => {
      const value = await work(input);
      await before;
      return value;
    })();
    last = result.catch(() => {});
    return result;
  };
}

async function* mapped<Input, Output>(
  inputs: AsyncIterable<Input>,
  map: (input: Input) => Output,
): AsyncGenerator<Output> {
  for await (const input of inputs) yield map(input);
}
