import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { createWorkBudget } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@tensorgate/proto/grpc/health/v1/health";
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
  chargeMessage,
  MalformedMessageError,
  readPredictRequest,
  ServingError,
} from "@tensorgate/tf-serving";
import { getModelStatus } from "./model-service.ts";
import { getModelMetadata, type LoadedModels, predict } from "./prediction-service.ts";
import { handleReload, type Reloading } from "./reload-service.ts";
import { type HeadersFor, type Method, type UnaryMethod, weightsHeader } from "./unary-method.ts";

/** TensorFlow Serving's services, and gRPC's health check. */
export function servingMethods(models: LoadedModels, reloading: Reloading): readonly UnaryMethod[] {
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
    "/tensorflow.serving.PredictionService/Classify": notSupported("Classify"),
    "/tensorflow.serving.PredictionService/Regress": notSupported("Regress"),
    "/tensorflow.serving.PredictionService/MultiInference": notSupported("MultiInference"),
    "/tensorflow.serving.ModelService/HandleReloadConfigRequest": typed(
      ReloadConfigRequestSchema,
      ReloadConfigResponseSchema,
      (request) => handleReload(reloading, request),
    ),
    "/grpc.health.v1.Health/Check": typed(
      HealthCheckRequestSchema,
      HealthCheckResponseSchema,
      checkHealth,
    ),
  };
  const headers: Readonly<Record<string, HeadersFor>> = {
    "/tensorflow.serving.PredictionService/Predict": (message) =>
      weightsHeader(models.get(readPredictRequest(message).modelSpec?.name ?? "")?.weights),
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

function notSupported(name: string): Method {
  return () => {
    throw new ServingError(
      grpcCode.UNIMPLEMENTED,
      `${name} is not supported by this model server; use Predict`,
    );
  };
}

function typed<Request extends DescMessage, Response extends DescMessage>(
  requestSchema: Request,
  responseSchema: Response,
  answer: (
    request: MessageShape<Request>,
  ) => MessageShape<Response> | Promise<MessageShape<Response>>,
): Method {
  return async (message) => {
    const bytes = toBinary(responseSchema, await answer(readMessage(requestSchema, message)));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
