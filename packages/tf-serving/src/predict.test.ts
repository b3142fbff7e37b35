import { fromBinary } from "@bufbuild/protobuf";
import {
  bytesTensor,
  float32Tensor,
  float32Values,
  joined,
  MalformedMessageError,
} from "@tensorgate/core";
import {
  PredictRequestSchema,
  PredictResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/predict";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  InputParsingError,
  predictRequestSegments,
  predictResponseSegments,
  readPredictRequest,
} from "./predict.ts";
import { scoreResponseFromPredictResponse } from "./predict-reply.ts";
import { TensorParsingError } from "./tensor-values.ts";

const picture = new Uint8Array(100_000).fill(7);
const request = {
  modelSpec: { name: "shapes", version: 3n, signatureName: "serving_default" },
  inputs: new Map([["images", bytesTensor([1], [picture])]]),
  outputFilter: ["scores"],
};

test("a picture is framed without being copied", () => {
  const segments = predictRequestSegments(request);

  expect(segments.filter((segment) => segment === picture)).toHaveLength(1);
  expect(segments.length).toBeLessThanOrEqual(3);
});

test("the generated code reads the framed request", () => {
  const message = fromBinary(PredictRequestSchema, joined(predictRequestSegments(request)));

  expect(message.modelSpec).toMatchObject({ name: "shapes", signatureName: "serving_default" });
  expect(message.modelSpec?.versionChoice).toMatchObject({ case: "version", value: { value: 3n } });
  expect(message.outputFilter).toEqual(["scores"]);
  expect(message.inputs["images"]?.stringVal[0]).toEqual(picture);
});

test("a server reads what a client framed", () => {
  const read = readPredictRequest(joined(predictRequestSegments(request)));

  expect(read.modelSpec).toEqual(request.modelSpec);
  expect(read.inputNames).toEqual(["images"]);
  expect(read.outputFilter).toEqual(["scores"]);
  expect(read.input("images")).toMatchObject({ dtype: "BYTES", shape: [1] });
});

test.each(["name", "signatureName", "versionLabel"] as const)(
  "a message whose %s is longer than names may be is not read",
  (field) => {
    const spec = { name: "shapes", signatureName: "", [field]: "é".repeat(513) };
    const message = joined(predictRequestSegments({ ...request, modelSpec: spec }));

    expect(() => readPredictRequest(message)).toThrow("key or name of more than 1024 bytes");
  },
);

test("a client reads what a server answered, also at an odd offset", () => {
  const scores = float32Tensor([1, 3], Float32Array.of(0.1, 0.7, 0.2));
  const message = joined(
    predictResponseSegments({
      model: { name: "shapes", version: 7n },
      outputs: new Map([["scores", scores]]),
      signatureName: "serving_default",
    }),
  );
  const shifted = Buffer.alloc(message.length + 1);
  shifted.set(message, 1);

  for (const bytes of [message, shifted.subarray(1)]) {
    const response = scoreResponseFromPredictResponse(bytes, { asked: { name: "asked" } });
    const tensor = response.outputs.get("scores");
    expect(response.model).toEqual({ name: "shapes", version: 7n });
    expect(tensor && [...float32Values(tensor)]).toEqual([...float32Values(scores)]);
  }
  expect(fromBinary(PredictResponseSchema, message).outputs["scores"]?.floatVal).toHaveLength(3);
});

test("a reply without a model spec is taken as the model that was asked", () => {
  const response = scoreResponseFromPredictResponse(new Uint8Array(), { asked: { name: "asked" } });

  expect(response.model).toEqual({ name: "asked", version: 0n });
});

test("an input that cannot be read is reported by its name", () => {
  const bad = Uint8Array.of(0x12, 0x0a, 0x0a, 1, 0x78, 0x12, 5, 8, 1, 0x22, 1, 0);

  const read = readPredictRequest(bad);

  expect(read.inputNames).toEqual(["x"]);
  expect(() => read.input("x")).toThrow(InputParsingError);
});

test("random bytes are a message or malformed, and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const read of [
        () => readPredictRequest(bytes),
        () => scoreResponseFromPredictResponse(bytes, { asked: { name: "asked" } }),
      ]) {
        try {
          read();
        } catch (thrown) {
          const isKnown =
            thrown instanceof MalformedMessageError || thrown instanceof TensorParsingError;
          expect(isKnown).toBe(true);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});
