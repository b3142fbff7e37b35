import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { createWorkBudget, TooLargeError } from "@tensorgate/core";
import { HealthCheckRequestSchema } from "@tensorgate/proto/grpc/health/v1/health";
import {
  ClassifyRequestSchema,
  PredictRequestSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test } from "vitest";
import { chargeMessage } from "./charge-message.ts";
import { MalformedMessageError } from "./malformed-message-error.ts";

function costOf(schema: DescMessage, bytes: Uint8Array): number {
  const budget = createWorkBudget(1e9);
  chargeMessage(schema, bytes, budget);
  return budget.spent;
}

test("a picture costs its few fields, however long it is", () => {
  const message = create(ClassifyRequestSchema, {
    modelSpec: { name: "shapes" },
    pictures: [{ id: "a", source: { case: "data", value: new Uint8Array(1_000_000) } }],
  });
  // model_spec and its name; a picture, its id and its data.
  expect(costOf(ClassifyRequestSchema, toBinary(ClassifyRequestSchema, message))).toBe(5);
});

test("packed values, map entries and texts cost one each", () => {
  const message = create(PredictRequestSchema, {
    inputs: {
      x: {
        dtype: "FP32",
        shape: [1n, 300n],
        values: { case: "data", value: new Uint8Array(1_200) },
      },
    },
    outputFilter: ["a", ""],
  });
  // The entry, its key and value; dtype, shape with two values, data; two names.
  expect(costOf(PredictRequestSchema, toBinary(PredictRequestSchema, message))).toBe(
    3 + 1 + 3 + 1 + 2,
  );
});

const repeated = (bytes: readonly number[], count: number) =>
  Buffer.alloc(bytes.length * count, Uint8Array.from(bytes));

test.each([
  {
    name: "unknown fields",
    schema: HealthCheckRequestSchema,
    bytes: repeated([0x78, 0x00], 1_000_000),
  },
  {
    name: "empty pictures",
    schema: ClassifyRequestSchema,
    bytes: repeated([0x12, 0x00], 1_000_000),
  },
  { name: "empty names", schema: PredictRequestSchema, bytes: repeated([0x1a, 0x00], 1_000_000) },
  {
    name: "empty map entries",
    schema: PredictRequestSchema,
    bytes: repeated([0x12, 0x00], 1_000_000),
  },
  {
    name: "empty fields of one map entry",
    schema: PredictRequestSchema,
    bytes: nested(0x12, repeated([0x12, 0x00], 100_000)),
  },
  {
    name: "a packed shape",
    schema: PredictRequestSchema,
    bytes: nested(0x12, nested(0x12, nested(0x12, Buffer.alloc(100_000)))),
  },
])("$name stop the scan at the budget", ({ schema, bytes }) => {
  const budget = createWorkBudget(1_000);
  expect(() => chargeMessage(schema, bytes, budget)).toThrow(TooLargeError);
  // No further than the first element over the budget.
  expect(budget.spent).toBe(1_001);
});

/** A length-delimited field: its tag, its length, its content. */
function nested(tag: number, content: Buffer): Buffer {
  const length: number[] = [];
  let rest = content.length;
  for (; rest > 0x7f; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Uint8Array.from([tag, ...length, rest]), content]);
}

test.each([
  { name: "a cut message", bytes: [0x12, 0x05, 0x00] },
  { name: "a group", bytes: [0x7b, 0x7c] },
  { name: "a varint of 11 bytes", bytes: [0x78, ...Array(11).fill(0xff)] },
])("$name is malformed", ({ bytes }) => {
  const budget = createWorkBudget(1_000);
  expect(() => chargeMessage(ClassifyRequestSchema, Uint8Array.from(bytes), budget)).toThrow(
    MalformedMessageError,
  );
});
