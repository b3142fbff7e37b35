import {
  create,
  type DescFile,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import type { CallContext, PictureResponse, Tasks } from "@tensorgate/core";
import { file_grpc_health_v1_health as healthFile } from "@tensorgate/proto/grpc/health/v1/health";
import { file_grpc_reflection_v1_reflection as reflectionFile } from "@tensorgate/proto/grpc/reflection/v1/reflection";
import { file_inference_open_inference as inferenceFile } from "@tensorgate/proto/inference/open_inference";
import { file_tensorflow_serving_model_service as modelFile } from "@tensorgate/proto/tensorflow_serving/model_service";
import { file_tensorflow_serving_prediction_service as predictionFile } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import {
  CatalogService,
  file_tensorgate_v1_catalog as catalogFile,
} from "@tensorgate/proto/tensorgate/v1/catalog";
import {
  ScoringService,
  file_tensorgate_v1_scoring as scoringFile,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { file_tensorgate_v1_status as statusFile } from "@tensorgate/proto/tensorgate/v1/status";
import { createMessageCharge } from "@tensorgate/tf-serving";
import { visibleModel, visibleModels } from "../../access/access.ts";
import { throwIfOnlyPictureFailed } from "../call.ts";
import type { RpcAnswer, RunRpc } from "./connect/call.ts";
import { assertWritableAsJson } from "./connect/json-length.ts";
import { readJsonMessage } from "./connect/message-check.ts";
import {
  askedModel,
  classifyResult,
  detectResult,
  embedResult,
  modelMessage,
  modelSpecFrom,
  pictureFrom,
  selectionFrom,
} from "./messages.ts";
import { answerPredict, readPredict } from "./predict.ts";
import { addInferenceRoutes, type InferenceRoutesDeps } from "./services/inference-routes.ts";
import { pictureStream } from "./services/picture-stream.ts";
import { addReflectionRoutes } from "./services/reflection.ts";
import { addModelRoutes, type ModelRoutesDeps } from "./services/serving-routes.ts";
import { addHealthRoutes, addStatusRoutes, type StatusRoutesDeps } from "./services/status.ts";
import type { UnaryMethod, UnaryRequest } from "./unary.ts";

const files: readonly DescFile[] = [
  scoringFile,
  catalogFile,
  statusFile,
  predictionFile,
  modelFile,
  inferenceFile,
  healthFile,
  reflectionFile,
];

export type RpcRoutesDeps = StatusRoutesDeps & ModelRoutesDeps & InferenceRoutesDeps;

/** Every service of ours, over Connect, gRPC and gRPC-Web. */
export function addRpcRoutes(router: ConnectRouter, deps: RpcRoutesDeps): void {
  addScoringRoutes(router, deps.rpc.run);
  addCatalogRoutes(router, deps.rpc.run);
  addStatusRoutes(router, deps);
  addModelRoutes(router, deps);
  addInferenceRoutes(router, deps);
  const serviceNames = files.flatMap((file) => file.services.map(({ typeName }) => typeName));
  addHealthRoutes(router, deps.readiness, serviceNames);
  addReflectionRoutes(router, files);
}

/** A method that scores: the library calls it with messages, `unary.ts` with bytes. */
interface ScoringMethod extends UnaryMethod {
  readonly addTo: (router: ConnectRouter, run: RunRpc) => void;
}

type AnswerScoring<Input extends DescMessage, Output extends DescMessage> = (
  request: MessageShape<Input>,
  call: CallContext,
  tasks: Tasks,
) => Promise<RpcAnswer<MessageInitShape<Output>>>;

function scoringMethod<Input extends DescMessage, Output extends DescMessage>(
  method: DescMethodUnary<Input, Output>,
  answer: AnswerScoring<Input, Output>,
): ScoringMethod {
  const { input, output } = method;
  const charge = createMessageCharge(input);
  const asked = (
    request: MessageShape<Input>,
    encode: (message: MessageShape<Output>) => Uint8Array,
  ): UnaryRequest => ({
    askedModel: askedModel(request),
    answer: async (call, tasks) => {
      const answered = await answer(request, call, tasks);
      return { ...answered, message: encode(create(output, answered.message)) };
    },
  });
  return {
    method,
    addTo: (router, run) =>
      void router.rpc(method, (request, context) =>
        run(request, context, (call, tasks) => answer(request, call, tasks)),
      ),
    read: (bytes, budget) => {
      charge(bytes, budget);
      const request = fromBinary(input, bytes, { readUnknownFields: false });
      return asked(request, (message) => toBinary(output, message));
    },
    readJson: (bytes, budget) =>
      asked(readJsonMessage(input, { message: bytes, budget }), (message) => {
        assertWritableAsJson(message);
        return Buffer.from(toJsonString(output, message));
      }),
  };
}

/** Methods of `tensorgate.v1.ScoringService` with one message each way. */
export const scoringMethods: readonly ScoringMethod[] = [
  scoringMethod(ScoringService.method.classify, async (request, call, tasks) => {
    const asked = {
      modelSpec: modelSpecFrom(request.modelSpec),
      pictures: request.pictures.map(pictureFrom),
      ...(request.topK !== undefined && { topK: request.topK }),
      ...(request.minScore !== undefined && { minScore: request.minScore }),
    };
    return pictureAnswer(
      await tasks.resolve(asked.modelSpec, call).classify(asked, call),
      classifyResult,
    );
  }),

  scoringMethod(ScoringService.method.detect, async (request, call, tasks) => {
    const asked = {
      modelSpec: modelSpecFrom(request.modelSpec),
      pictures: request.pictures.map(pictureFrom),
      ...selectionFrom(request),
    };
    return pictureAnswer(
      await tasks.resolve(asked.modelSpec, call).detect(asked, call),
      detectResult,
    );
  }),

  scoringMethod(ScoringService.method.embed, async (request, call, tasks) => {
    const asked = {
      modelSpec: modelSpecFrom(request.modelSpec),
      pictures: request.pictures.map(pictureFrom),
    };
    return pictureAnswer(
      await tasks.resolve(asked.modelSpec, call).embed(asked, call),
      embedResult,
    );
  }),

  { ...scoringMethod(ScoringService.method.predict, answerPredict), read: readPredict },
];

/** `tensorgate.v1.ScoringService`. */
function addScoringRoutes(router: ConnectRouter, run: RunRpc): void {
  for (const method of scoringMethods) method.addTo(router, run);

  router.rpc(ScoringService.method.classifyStream, (requests, context) =>
    pictureStream(requests, context, {
      run,
      result: classifyResult,
      work: ({ of, topK, minScore }, { call, tasks }) => {
        const asked = {
          ...of,
          ...(topK !== undefined && { topK }),
          ...(minScore !== undefined && { minScore }),
        };
        return tasks.resolve(of.modelSpec, call).classify(asked, call);
      },
    }),
  );

  router.rpc(ScoringService.method.detectStream, (requests, context) =>
    pictureStream(requests, context, {
      run,
      result: detectResult,
      work: ({ of, ...request }, { call, tasks }) =>
        tasks.resolve(of.modelSpec, call).detect({ ...of, ...selectionFrom(request) }, call),
    }),
  );
}

/** `tensorgate.v1.CatalogService`. */
function addCatalogRoutes(router: ConnectRouter, run: RunRpc): void {
  router.service(CatalogService, {
    listModels: (request, context) =>
      run(request, context, async (call, { catalog }) => ({
        message: { models: visibleModels(call, catalog).map(modelMessage) },
      })),
    getModel: (request, context) =>
      run(request, context, async (call, { catalog }) => {
        const description = visibleModel(call, catalog, request.name);
        return {
          message: { model: modelMessage(description), labels: [...description.labels] },
        };
      }),
  });
}

function pictureAnswer<Value, Result>(
  { model, region, results }: PictureResponse<Value>,
  resultMessage: (result: PictureResponse<Value>["results"][number]) => Result,
): RpcAnswer<{ region: string; results: Result[] }> {
  throwIfOnlyPictureFailed(results);
  return {
    ...(model && { model }),
    ...(region !== undefined && { region }),
    message: {
      ...(model && { model }),
      region: region ?? "",
      results: results.map(resultMessage),
    },
  };
}
