import { create, toBinary } from "@bufbuild/protobuf";
import { ClassificationResponseSchema } from "@tensorgate/proto/tensorflow_serving/classification";
import { expect, test } from "vitest";
import { decodeResponse } from "./serving-call.ts";

const response = (classCount: number, label = "star") =>
  toBinary(
    ClassificationResponseSchema,
    create(ClassificationResponseSchema, {
      result: {
        classifications: [
          { classes: Array.from({ length: classCount }, () => ({ label, score: 0.5 })) },
        ],
      },
    }),
  );

test("a response of 20,000 classes is decoded", () => {
  const { result } = decodeResponse(ClassificationResponseSchema, response(20_000));

  expect(result?.classifications[0]?.classes).toHaveLength(20_000);
});

test.each([
  { what: "more elements than JSON is written of", bytes: response(30_000) },
  { what: "a response of 5 MB", bytes: response(1, "a".repeat(5_000_000)) },
  { what: "half of a message", bytes: response(1).subarray(1) },
])("$what is the failure of a replica, before anything is built", ({ bytes }) => {
  expect(() => decodeResponse(ClassificationResponseSchema, bytes)).toThrow(
    expect.objectContaining({ reason: "upstream-failed" }),
  );
});
