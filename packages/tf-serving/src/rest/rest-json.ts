import { fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { ModelMetadata, ModelStatus } from "@tensorgate/core";
import { SignatureDefMapSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { GetModelStatusResponseSchema } from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { JsonWriter } from "../json/json-writer.ts";
import { modelStatusResponse } from "../model-status.ts";
import { signatureDefMap } from "../signature-def.ts";

const jsonOptions = { useProtoFieldName: true, alwaysEmitImplicit: true };

/** An error body of TensorFlow Serving's REST API, to the blank. */
export function restErrorBody(message: string): string {
  const writer = new JsonWriter();
  writer.startObject();
  writer.string(utf8.encode("error"));
  writer.string(utf8.encode(message));
  writer.endObject();
  return new TextDecoder().decode(writer.take());
}

const utf8 = new TextEncoder();

/** `GET /v1/models/NAME`: states by version, in the order of the server. */
export function modelStatusJson(status: ModelStatus): string {
  const response = modelStatusResponse(status);
  return servingText(toJson(GetModelStatusResponseSchema, response, jsonOptions));
}

/** `GET /v1/models/NAME/metadata`: the signatures, doubly wrapped as the server does it. */
export function modelMetadataJson({ model, signatures, encodedSignatures }: ModelMetadata): string {
  const message = encodedSignatures
    ? fromBinary(SignatureDefMapSchema, encodedSignatures)
    : signatureDefMap(signatures);
  const map = toJson(SignatureDefMapSchema, message, jsonOptions);
  return servingText({
    model_spec: { name: model.name, signature_name: "", version: String(model.version) },
    metadata: { signature_def: map },
  });
}

/** Protocol buffers' own printer: an indent of one, and a line feed at the end. */
function servingText(json: JsonValue): string {
  return `${JSON.stringify(json, undefined, 1)}\n`;
}
