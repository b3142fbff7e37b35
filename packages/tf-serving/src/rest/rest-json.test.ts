import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { float32Tensor } from "@tensorgate/core";
import { DataType } from "@tensorgate/proto/tensorflow/framework";
import {
  GetModelMetadataResponseSchema,
  SignatureDefMapSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import {
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { expect, test } from "vitest";
import { modelStatusFromResponse } from "../model-status.ts";
import { modelMetadataFromResponse } from "../signature-def.ts";
import { modelMetadataJson, modelStatusJson, restErrorBody } from "./rest-json.ts";

test("a status is written as the server writes it, in its order", () => {
  const response = create(GetModelStatusResponseSchema, {
    modelVersionStatus: [
      { version: 12n, state: State.LOADING },
      { version: 11n, state: State.END, status: { errorCode: 5, errorMessage: "no such file" } },
    ],
  });
  const version = (number: number, state: string, code: string, message: string) =>
    `  {\n   "version": "${number}",\n   "state": "${state}",\n   "status": {\n    "error_code": "${code}",\n    "error_message": "${message}"\n   }\n  }`;

  expect(modelStatusJson(modelStatusFromResponse(response))).toBe(
    `{\n "model_version_status": [\n${version(12, "LOADING", "OK", "")},\n${version(11, "END", "NOT_FOUND", "no such file")}\n ]\n}\n`,
  );
});

test("an error is escaped as the server escapes it", () => {
  const message = 'a "quote", a \\u001f, \u001f\n\u007f and é😀/';

  const body = restErrorBody(message);

  expect(body).toBe('{\n    "error": "a \\"quote\\", a \\\\u001f, \\u001F\\n\u007f and é😀/"\n}');
  expect(JSON.parse(body)).toEqual({ error: message });
});

test("metadata keeps the names in the graph, unknown ranks and the method", () => {
  const map = create(SignatureDefMapSchema, {
    signatureDef: {
      serving_default: {
        inputs: {
          images: {
            encoding: { case: "name", value: "Placeholder:0" },
            dtype: DataType.DT_UINT8,
            tensorShape: { dim: [{ size: -1n }, { size: 3n }] },
          },
        },
        outputs: {
          scores: {
            encoding: { case: "name", value: "StatefulPartitionedCall:0" },
            dtype: DataType.DT_FLOAT,
            tensorShape: { unknownRank: true },
          },
        },
        methodName: "tensorflow/serving/classify",
      },
    },
  });
  const packed = anyPack(SignatureDefMapSchema, map);
  const response = create(GetModelMetadataResponseSchema, {
    modelSpec: { name: "m", versionChoice: { case: "version", value: { value: 3n } } },
    metadata: { signature_def: packed },
  });

  const text = modelMetadataJson(modelMetadataFromResponse(response));

  expect(JSON.parse(text)).toEqual({
    model_spec: { name: "m", signature_name: "", version: "3" },
    metadata: {
      signature_def: {
        signature_def: {
          serving_default: {
            inputs: {
              images: {
                dtype: "DT_UINT8",
                tensor_shape: {
                  dim: [
                    { size: "-1", name: "" },
                    { size: "3", name: "" },
                  ],
                  unknown_rank: false,
                },
                name: "Placeholder:0",
              },
            },
            outputs: {
              scores: {
                dtype: "DT_FLOAT",
                tensor_shape: { dim: [], unknown_rank: true },
                name: "StatefulPartitionedCall:0",
              },
            },
            method_name: "tensorflow/serving/classify",
            defaults: {},
          },
        },
      },
    },
  });
  expect(text.startsWith('{\n "model_spec": {\n  "name": "m",\n')).toBe(true);
});

test("the defaults of inputs are in the metadata, as tensors", () => {
  const z = float32Tensor([1], Float32Array.of(2.5));
  const info = { dtype: "FP32", shape: [-1] } as const;
  const signature = {
    inputs: new Map([["z", info]]),
    outputs: new Map(),
    defaults: new Map([["z", z]]),
  };
  const metadata = {
    model: { name: "m", version: 1n },
    signatures: new Map([["serving_default", signature]]),
  };

  const { signature_def: map } = JSON.parse(modelMetadataJson(metadata)).metadata;

  expect(map.signature_def.serving_default.defaults).toEqual({
    z: expect.objectContaining({
      dtype: "DT_FLOAT",
      tensor_shape: { dim: [{ size: "1", name: "" }], unknown_rank: false },
      float_val: [2.5],
    }),
  });
});
