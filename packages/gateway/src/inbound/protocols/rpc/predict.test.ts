import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  bytesTensor,
  createWorkBudget,
  fixedSizeTensor,
  joined,
  type ScoreRequest,
  type ScoreResponse,
  type Tasks,
  type Tensor,
} from "@tensorgate/core";
import { aCall } from "@tensorgate/core/testing";
import {
  PredictRequestSchema,
  PredictResponseSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import fc from "fast-check";
import { expect, test } from "vitest";
import { answerPredict, readPredict } from "./predict.ts";

const response: ScoreResponse = {
  model: { name: "m", version: 3n },
  region: "westeurope",
  outputs: new Map<string, Tensor>([
    ["scores", fixedSizeTensor("FP32", [2, 1], new Uint8Array(8).fill(7))],
    ["labels", bytesTensor([2], [Uint8Array.of(97), new Uint8Array()])],
    ["scalar", fixedSizeTensor("INT64", [], new Uint8Array(8))],
  ]),
};

/** Tasks that keep what they are asked, and answer with `response`. */
function keepingTasks() {
  const asked: ScoreRequest[] = [];
  const score = async (request: ScoreRequest) => {
    asked.push(request);
    return response;
  };
  return { asked, tasks: { resolve: () => ({ score }) } as unknown as Tasks };
}

async function byHand(message: Uint8Array, budget = createWorkBudget(100_000)) {
  const { asked, tasks } = keepingTasks();
  const answer = await readPredict(message, budget).answer(aCall(), tasks);
  return { asked, answer: fromBinary(PredictResponseSchema, answer.message) };
}

async function byLibrary(message: Uint8Array) {
  const { asked, tasks } = keepingTasks();
  const request = fromBinary(PredictRequestSchema, message);
  const { message: answer } = await answerPredict(request, aCall(), tasks);
  return { asked, answer: create(PredictResponseSchema, answer) };
}

const bytes = fc.uint8Array({ maxLength: 40 });
const name = fc.oneof(fc.string({ unit: "grapheme", maxLength: 9 }), fc.constant("__proto__"));
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const tensor = fc.oneof(
  bytes.map((data) => ({
    dtype: "UINT8",
    shape: [BigInt(data.byteLength)],
    values: { case: "data" as const, value: Uint8Array.from(data) },
  })),
  fc.array(bytes, { maxLength: 5 }).map((elements) => ({
    dtype: "BYTES",
    shape: [1n, BigInt(elements.length)],
    values: {
      case: "elements" as const,
      value: { elements: elements.map((each) => Uint8Array.from(each)) },
    },
  })),
);
const parameter = fc.oneof(
  fc.boolean().map((value) => ({ case: "boolValue" as const, value })),
  int64.map((value) => ({ case: "int64Value" as const, value })),
  name.map((value) => ({ case: "stringValue" as const, value })),
  fc.double({ noNaN: true }).map((value) => ({ case: "doubleValue" as const, value })),
  int64.map((value) => ({ case: "uint64Value" as const, value: BigInt.asUintN(64, value) })),
  fc.constant({ case: undefined }),
);
const request = fc.record({
  modelSpec: fc.record({
    name,
    signatureName: name,
    versionChoice: fc.oneof(
      int64.map((value) => ({ case: "version" as const, value })),
      name.map((value) => ({ case: "versionLabel" as const, value })),
      fc.constant({ case: undefined }),
    ),
  }),
  inputs: fc.dictionary(name, tensor, { maxKeys: 4 }),
  outputFilter: fc.array(name, { maxLength: 3 }),
  parameters: fc.dictionary(
    name,
    parameter.map((value) => ({ value })),
    { maxKeys: 3 },
  ),
});

const encoded = (message: MessageInitShape<typeof PredictRequestSchema>) =>
  toBinary(PredictRequestSchema, create(PredictRequestSchema, message));

test("a Predict that is read by hand means what the library reads, and so does its answer", async () => {
  await fc.assert(
    fc.asyncProperty(request, async (message) => {
      const sent = encoded(message);

      expect(await byHand(sent)).toEqual(await byLibrary(sent));
    }),
    { numRuns: 200 },
  );
});

test("fields that come twice are merged, and of two choices the last one counts", async () => {
  const two = joined([
    encoded({ modelSpec: { name: "a", versionChoice: { case: "version", value: 1n } } }),
    encoded({ modelSpec: { versionChoice: { case: "versionLabel", value: "stable" } } }),
    encoded({ inputs: { x: { dtype: "UINT8" } } }),
    encoded({ inputs: { x: { dtype: "BOOL", shape: [0n] } } }),
  ]);

  const { asked, answer } = await byHand(two);

  expect(asked).toMatchObject([{ modelSpec: { name: "a", versionLabel: "stable" } }]);
  expect({ asked, answer }).toEqual(await byLibrary(two));
});

test.each([
  { what: "no model", message: {}, says: "model_spec is missing" },
  {
    what: "an unknown type",
    message: { modelSpec: {}, inputs: { x: { dtype: "FP33" } } },
    says: 'inputs["x"]: unknown dtype "FP33"',
  },
  {
    what: "a negative extent",
    message: { modelSpec: {}, inputs: { x: { dtype: "FP32", shape: [-1n] } } },
    says: 'inputs["x"] has the invalid shape [-1]',
  },
  {
    what: "too few bytes",
    message: { modelSpec: {}, inputs: { x: { dtype: "FP32", shape: [2n] } } },
    says: 'inputs["x"]: FP32 of shape [2] needs 8 bytes, got 0',
  },
])("a Predict with $what fails in both ways alike", async ({ message, says }) => {
  const wanted = { reason: "invalid-request", message: says };

  await expect(byHand(encoded(message))).rejects.toMatchObject(wanted);
  await expect(byLibrary(encoded(message))).rejects.toMatchObject(wanted);
});

test.each([
  { what: "extents", inputs: { x: { shape: Array.from({ length: 300 }, () => 1n) } } },
  {
    what: "elements",
    inputs: {
      x: {
        values: {
          case: "elements" as const,
          value: { elements: Array.from({ length: 300 }, () => new Uint8Array()) },
        },
      },
    },
  },
  {
    what: "inputs",
    inputs: Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`x${index}`, {}])),
  },
])("more $what than the budget are rejected before the call", ({ inputs }) => {
  const message = encoded({ modelSpec: { name: "m" }, inputs });

  expect(() => readPredict(message, createWorkBudget(256))).toThrow("more than 256 elements");
  expect(() => readPredict(message.subarray(0, -1), createWorkBudget(10_000))).toThrow();
});
