import { createRegistry, type JsonValue, toJson } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  type GetModelMetadataResponse,
  file_tensorflow_serving_get_model_metadata as metadataFile,
  SignatureDefMapSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import {
  type GetModelStatusResponse,
  GetModelStatusResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";

const registry = createRegistry(metadataFile);
const jsonOptions = { registry, useProtoFieldName: true, alwaysEmitImplicit: true };

/** An error body of TensorFlow Serving's REST API, to the blank. */
export function restErrorBody(message: string): string {
  return `{\n    "error": ${JSON.stringify(message)}\n}`;
}

/** `GET /v1/models/NAME`: states by version, highest first. */
export function modelStatusJson(response: GetModelStatusResponse): string {
  const versions = response.modelVersionStatus.map((version) => ({
    ...version,
    // The server always writes it, also where all is well.
    status: version.status ?? {
      $typeName: "tensorflow.serving.StatusProto" as const,
      errorCode: 0,
      errorMessage: "",
    },
  }));
  const whole = { ...response, modelVersionStatus: versions };
  return servingText(toJson(GetModelStatusResponseSchema, whole, jsonOptions));
}

/** `GET /v1/models/NAME/metadata`: the signatures, doubly wrapped as the server does it. */
export function modelMetadataJson({ modelSpec, metadata }: GetModelMetadataResponse): string {
  const version =
    modelSpec?.versionChoice.case === "version" ? modelSpec.versionChoice.value.value : 0n;
  const signatures = Object.entries(metadata).map(([field, any]): [string, JsonValue] => {
    const unpacked = anyUnpack(any, SignatureDefMapSchema);
    return [field, unpacked ? toJson(SignatureDefMapSchema, unpacked, jsonOptions) : {}];
  });
  return servingText({
    model_spec: {
      name: modelSpec?.name ?? "",
      signature_name: modelSpec?.signatureName ?? "",
      version: String(version),
    },
    metadata: Object.fromEntries(signatures),
  });
}

/** Protocol buffers' own printer: an indent of one, and a line feed at the end. */
function servingText(json: JsonValue): string {
  return `${JSON.stringify(json, undefined, 1)}\n`;
}
