import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { createWorkBudget, type ServingMethod } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@tensorgate/proto/grpc/health/v1/health";
import {
  RepositoryIndexRequestSchema,
  RepositoryIndexResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import {
  GetModelMetadataRequestSchema,
  GetModelMetadataResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import {
  GetModelStatusRequestSchema,
  GetModelStatusResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import {
  ReloadConfigRequestSchema,
  ReloadConfigResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/model_management";
import {
  askedModelOf,
  chargeMessage,
  MalformedMessageError,
  ServingError,
} from "@tensorgate/tf-serving";
import { classifyMessage, multiInferenceMessage, regressMessage } from "./inference-service.ts";
import type { LoadedModels } from "./loaded-models.ts";
import { getModelStatus } from "./model-service.ts";
import { getModelMetadata, predict } from "./prediction-service.ts";
import type { Reloading } from "./reload-service.ts";
import { repositoryIndex } from "./repository-index.ts";
import { type HeadersFor, type Method, type UnaryMethod, weightsHeader } from "./unary-method.ts";

/** TensorFlow Serving's services, a list of the models, and gRPC's health check. */
export function servingMethods(
  models: LoadedModels,
  reloading: Pick<Reloading, "handleRequest">,
): readonly UnaryMethod[] {
  const methods: Readonly<Record<string, Method>> = {
    "/tensorflow.serving.PredictionService/Predict": async (message, isAbandoned) =>
      Buffer.concat(await predict(models, message, isAbandoned)),
    "/tensorflow.serving.PredictionService/GetModelMetadata": typed(
      GetModelMetadataRequestSchema,
      GetModelMetadataResponseSchema,
      (request) => getModelMetadata(models, request),
    ),
    "/tensorflow.serving.ModelService/GetModelStatus": typed(
      GetModelStatusRequestSchema,
      GetModelStatusResponseSchema,
      (request) => getModelStatus(models, request),
    ),
    "/tensorflow.serving.PredictionService/Classify": async (message, isAbandoned) =>
      asBuffer(await classifyMessage(models, message, isAbandoned)),
    "/tensorflow.serving.PredictionService/Regress": async (message, isAbandoned) =>
      asBuffer(await regressMessage(models, message, isAbandoned)),
    "/tensorflow.serving.PredictionService/MultiInference": async (message, isAbandoned) =>
      asBuffer(await multiInferenceMessage(models, message, isAbandoned)),
    "/tensorflow.serving.ModelService/HandleReloadConfigRequest": typed(
      ReloadConfigRequestSchema,
      ReloadConfigResponseSchema,
      reloading.handleRequest,
    ),
    "/inference.GRPCInferenceService/RepositoryIndex": typed(
      RepositoryIndexRequestSchema,
      RepositoryIndexResponseSchema,
      () => repositoryIndex(models),
    ),
    "/grpc.health.v1.Health/Check": typed(
      HealthCheckRequestSchema,
      HealthCheckResponseSchema,
      checkHealth,
    ),
  };
  const weightsOf =
    (method: ServingMethod): HeadersFor =>
    (message) =>
      weightsHeader(models.get(askedModelOf({ method, message })?.name ?? "")?.weights);
  const headers: Readonly<Record<string, HeadersFor>> = {
    "/tensorflow.serving.PredictionService/Predict": weightsOf("Predict"),
    "/tensorflow.serving.PredictionService/Classify": weightsOf("Classify"),
    "/tensorflow.serving.PredictionService/Regress": weightsOf("Regress"),
    "/tensorflow.serving.PredictionService/MultiInference": weightsOf("MultiInference"),
    "/tensorflow.serving.ModelService/GetModelStatus": (message) => {
      const { modelSpec } = readMessage(GetModelStatusRequestSchema, message);
      return weightsHeader(models.get(modelSpec?.name ?? "")?.weights);
    },
  };
  return Object.entries(methods).map(([path, method]) => {
    const headersFor = headers[path];
    return { path, method, ...(headersFor && { headersFor }) };
  });
}

/** The names under which TensorFlow Serving answers its health check: short ones. */
const healthNames: ReadonlySet<string> = new Set(["", "ModelService", "PredictionService"]);

function checkHealth({ service }: { readonly service: string }) {
  if (!healthNames.has(service)) {
    throw new ServingError(grpcCode.NOT_FOUND, `unknown service ${service.slice(0, 200)}`);
  }
  return {
    $typeName: "grpc.health.v1.HealthCheckResponse" as const,
    status: ServingStatus.SERVING,
  };
}

/** Views bytes, since the server takes Buffers only. */
function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function typed<Request extends DescMessage, Response extends DescMessage>(
  requestSchema: Request,
  responseSchema: Response,
  answer: (
    request: MessageShape<Request>,
  ) => MessageShape<Response> | Promise<MessageShape<Response>>,
): Method {
  return async (message) => {
    return asBuffer(toBinary(responseSchema, await answer(readMessage(requestSchema, message))));
  };
}

/** Most elements of a request that names models: thousands of them in a list. */
const maxElements = 32_768;

function readMessage<Request extends DescMessage>(
  schema: Request,
  message: Buffer,
): MessageShape<Request> {
  try {
    chargeMessage(schema, message, createWorkBudget(maxElements));
    return fromBinary(schema, message, { readUnknownFields: false });
  } catch (cause) {
    throw new MalformedMessageError(`not a ${schema.typeName}`, { cause });
  }
}
