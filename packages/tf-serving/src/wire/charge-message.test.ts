import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  createWorkBudget,
  MalformedMessageError,
  seededRandom,
  TooLargeError,
} from "@tensorgate/core";
import { HealthCheckRequestSchema } from "@tensorgate/proto/grpc/health/v1/health";
import { AttrValue_ListValueSchema } from "@tensorgate/proto/tensorflow/graph";
import {
  ClassifyRequestSchema,
  PredictRequestSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test } from "vitest";
import { chargeMessage, createMessageScan } from "./charge-message.ts";

function costOf(schema: DescMessage, bytes: Uint8Array): number {
  const budget = createWorkBudget(1e9);
  chargeMessage(schema, bytes, budget);
  return budget.spent;
}

test("packed enums are charged one by one", () => {
  const message = create(AttrValue_ListValueSchema, { type: [1, 3, 101] });
  expect(costOf(AttrValue_ListValueSchema, toBinary(AttrValue_ListValueSchema, message))).toBe(4);
});

test("a picture costs its few fields, however long it is", () => {
  const message = create(ClassifyRequestSchema, {
    modelSpec: { name: "shapes" },
    pictures: [{ id: "a", source: { case: "data", value: new Uint8Array(1_000_000) } }],
  });
  // model_spec and its name; a picture, its id and its data.
  expect(costOf(ClassifyRequestSchema, toBinary(ClassifyRequestSchema, message))).toBe(
    8 + 1 + 8 + 1 + 1,
  );
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
  // The entry, its key and value, which is a message; dtype, shape with two values, data; two names.
  expect(costOf(PredictRequestSchema, toBinary(PredictRequestSchema, message))).toBe(
    8 + 1 + 8 + 1 + 3 + 1 + 2,
  );
});

test("a long text costs one more for every 256 bytes", () => {
  const message = create(ClassifyRequestSchema, { pictures: [{ id: "a".repeat(1_000) }] });
  expect(costOf(ClassifyRequestSchema, toBinary(ClassifyRequestSchema, message))).toBe(8 + 1 + 3);
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

// JavaScript's engine hashes long texts by their length alone: a thousand such keys took it seconds.
test.each([
  { keyBytes: 1_024, accepted: true },
  { keyBytes: 1_025, accepted: false },
])("a key of $keyBytes bytes: $accepted", ({ keyBytes, accepted }) => {
  const bytes = nested(0x12, nested(0x0a, Buffer.alloc(keyBytes, "k")));
  const charge = () => chargeMessage(PredictRequestSchema, bytes, createWorkBudget(20));

  if (accepted) charge();
  else expect(charge).toThrow(TooLargeError);
});

test("a name that is no key may be long", () => {
  const bytes = nested(0x1a, Buffer.alloc(2_000, "n"));

  chargeMessage(PredictRequestSchema, bytes, createWorkBudget(10));
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

// A parser that reads the value by the field and not by the layout would go on inside of what the scan passes over.
test.each([
  { name: "a number laid out as bytes", bytes: [0x1a, 0x04, 0x78, 0x00, 0x78, 0x00] },
  { name: "a message laid out as a number", bytes: [0x12 & ~7, 0x05] },
  { name: "a text that is not UTF-8", bytes: [0x12, 0x03, 0x0a, 0x01, 0xff] },
  { name: "a field longer than its message", bytes: [0x12, 0x02, 0x0a, 0x02, 0x41, 0x41] },
  { name: "a number longer than its message", bytes: [0x0a, 0x02, 0x10, 0x80, 0x01] },
])("$name is malformed", ({ bytes }) => {
  const budget = createWorkBudget(1_000);
  expect(() => chargeMessage(ClassifyRequestSchema, Uint8Array.from(bytes), budget)).toThrow(
    MalformedMessageError,
  );
});

const predictMessage = toBinary(
  PredictRequestSchema,
  create(PredictRequestSchema, {
    modelSpec: { name: "größe", versionChoice: { case: "version", value: 7n } },
    inputs: {
      x: { dtype: "FP32", shape: [1n, 300n], values: { case: "data", value: new Uint8Array(9) } },
      y: {
        dtype: "BYTES",
        values: { case: "elements", value: { elements: [Uint8Array.of(1), new Uint8Array()] } },
      },
    },
    outputFilter: ["größer", ""],
  }),
);

test("a message costs the same in whatever pieces it comes", () => {
  for (let size = 1; size < predictMessage.length; size += 1) {
    const budget = createWorkBudget(1_000);
    const scan = createMessageScan(PredictRequestSchema, budget);
    for (let at = 0; at < predictMessage.length; at += size) {
      scan.push(predictMessage.subarray(at, at + size));
    }
    scan.end();
    expect(budget.spent).toBe(costOf(PredictRequestSchema, predictMessage));
  }
});

test("protobuf-es reads every message that is accepted, and builds no more than was charged", () => {
  const { below } = seededRandom(1);
  let acceptedCount = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Uint8Array.from(predictMessage);
    for (let count = below(3); count >= 0; count -= 1) bytes[below(bytes.length)] = below(256);
    const damaged = bytes.subarray(0, bytes.length - below(2) * below(bytes.length));
    let cost: number;
    try {
      cost = costOf(PredictRequestSchema, damaged);
    } catch (thrown) {
      if (!(thrown instanceof MalformedMessageError)) throw thrown;
      continue;
    }
    acceptedCount += 1;
    const message = fromBinary(PredictRequestSchema, damaged, { readUnknownFields: false });
    expect(countOf(message)).toBeLessThanOrEqual(cost);
  }
  expect(acceptedCount).toBeGreaterThan(1_000);
});

/** Entries of all lists and maps of a message. */
function countOf(value: unknown): number {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return 0;
  const members = Object.values(value);
  const isMessage = "$typeName" in value;
  return members.reduce<number>((sum, each) => sum + countOf(each), isMessage ? 0 : members.length);
}
