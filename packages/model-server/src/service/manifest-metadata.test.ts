import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack, StringValueSchema } from "@bufbuild/protobuf/wkt";
import {
  GetModelMetadataRequestSchema,
  GetModelMetadataResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { expect, test } from "vitest";
import { bundledModelsDirectory, findModels } from "../model-folders.ts";
import { startModelServer } from "../model-server.ts";
import { createServingCaller } from "../testing.ts";

async function metadataOf(metadataField: string[]) {
  const server = await startModelServer({
    port: 0,
    models: { directory: bundledModelsDirectory },
    engine: "none",
  });
  using caller = createServingCaller(server.port);
  try {
    const request = create(GetModelMetadataRequestSchema, {
      modelSpec: { name: "shapes" },
      metadataField,
    });
    const message = toBinary(GetModelMetadataRequestSchema, request);
    const reply = await caller.call("PredictionService/GetModelMetadata", message);
    return fromBinary(GetModelMetadataResponseSchema, reply).metadata;
  } finally {
    await server.close(0);
  }
}

test("callers that ask for the manifest get labels, preprocessing and what the outputs hold", async () => {
  const { "tensorgate.manifest": packed } = await metadataOf(["tensorgate.manifest"]);

  const text = packed && anyUnpack(packed, StringValueSchema)?.value;
  const { manifest } = findModels({ directory: bundledModelsDirectory })[0] ?? {};
  expect(JSON.parse(text ?? "")).toEqual({ ...manifest, weights: "seeded" });
});

test("others get what TensorFlow Serving answers", async () => {
  expect(Object.keys(await metadataOf(["signature_def"]))).toEqual(["signature_def"]);
});

test("other fields are refused as TensorFlow Serving does", async () => {
  await expect(metadataOf(["signature_def", "other"])).rejects.toThrow(
    "Metadata field other is not supported",
  );
});
