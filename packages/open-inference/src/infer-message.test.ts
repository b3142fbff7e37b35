import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createWorkBudget, joined, type ParameterValue, type Tensor } from "@tensorgate/core";
import { ModelInferRequestSchema } from "@tensorgate/proto/inference/open_inference";
import { expect, test } from "vitest";
import { readInferMessage } from "./infer-message.ts";
import { inferRequestSegments } from "./infer-request-message.ts";

type Init = Parameters<typeof create<typeof ModelInferRequestSchema>>[1];

const read = (init: Init, maxElements = 10_000) =>
  readInferMessage(
    toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, init)),
    createWorkBudget(maxElements),
  );
const hexOf = (tensor: Tensor | undefined) =>
  tensor && "data" in tensor ? Buffer.from(tensor.data).toString("hex") : tensor?.elements;

test("reads names, settings and outputs", () => {
  const request = read({
    modelName: "shapes",
    modelVersion: "3",
    id: "mine",
    parameters: {
      timeout: { parameterChoice: { case: "int64Param", value: 5_000n } },
      priority: { parameterChoice: { case: "uint64Param", value: 1n } },
      other: { parameterChoice: { case: "doubleParam", value: 0.5 } },
    },
    outputs: [
      {
        name: "scores",
        parameters: { classification: { parameterChoice: { case: "int64Param", value: 3n } } },
      },
    ],
  });

  expect(request).toMatchObject({
    modelName: "shapes",
    modelVersion: "3",
    id: "mine",
    timeoutUs: 5_000,
    priority: "critical",
    parameters: new Map([["other", 0.5]]),
    outputs: [{ name: "scores", classCount: 3 }],
  });
});

test("a parameter with a text of more than 64 KiB is refused", () => {
  const withText = (length: number) =>
    read({
      parameters: { a: { parameterChoice: { case: "stringParam", value: "x".repeat(length) } } },
    });

  expect(withText(65_536).parameters?.get("a")).toHaveLength(65_536);
  expect(() => withText(65_537)).toThrow(/65537 bytes of text/);
});

test("parameters are read as they were written, but for those that the gateway answers for", () => {
  const passedOn: readonly (readonly [string, ParameterValue])[] = [
    ["text", "größe"],
    ["yes", true],
    ["no", false],
    ["integer", -(2n ** 63n)],
    ["large", 2n ** 64n - 1n],
    ["half", 0.5],
    ["whole", 3],
  ];
  const message = (parameters: ReadonlyMap<string, ParameterValue>) =>
    joined([
      ...inferRequestSegments({
        modelName: "m",
        modelVersion: "",
        id: "",
        parameters,
        inputs: new Map(),
        outputs: [],
      }),
    ]);
  const own = ["timeout", "priority", "sequence_id"].map((name) => [name, 0n] as const);
  const flags = ["sequence_start", "binary_data_output", "triton_enable_empty_final_response"].map(
    (name) => [name, true] as const,
  );

  const written = message(new Map([...passedOn, ...own, ...flags]));

  const { parameters } = readInferMessage(written, createWorkBudget(10_000));
  expect([...(parameters ?? [])]).toEqual(passedOn);
  const cases = fromBinary(ModelInferRequestSchema, written).parameters;
  expect(cases["large"]?.parameterChoice.case).toBe("uint64Param");
  expect(cases["whole"]?.parameterChoice.case).toBe("doubleParam");
});

test.each([
  { datatype: "BOOL", contents: { boolContents: [true, false] }, hex: "0100" },
  { datatype: "INT8", contents: { intContents: [-128, 127] }, hex: "807f" },
  { datatype: "INT16", contents: { intContents: [-1, 1] }, hex: "ffff0100" },
  { datatype: "INT32", contents: { intContents: [-1, 1] }, hex: "ffffffff01000000" },
  { datatype: "UINT8", contents: { uintContents: [0, 255] }, hex: "00ff" },
  { datatype: "UINT32", contents: { uintContents: [1, 4_294_967_295] }, hex: "01000000ffffffff" },
  {
    datatype: "INT64",
    contents: { int64Contents: [-1n, 1n] },
    hex: "ffffffffffffffff0100000000000000",
  },
  {
    datatype: "UINT64",
    contents: { uint64Contents: [2n ** 64n - 1n, 1n] },
    hex: "ffffffffffffffff0100000000000000",
  },
  { datatype: "FP32", contents: { fp32Contents: [1, -2.5] }, hex: "0000803f000020c0" },
  { datatype: "FP64", contents: { fp64Contents: [1, 0] }, hex: "000000000000f03f0000000000000000" },
])("reads $datatype from its field of contents", ({ datatype, contents, hex }) => {
  const { inputs, isRaw } = read({ inputs: [{ name: "in", datatype, shape: [2n], contents }] });

  expect(hexOf(inputs.get("in"))).toBe(hex);
  expect(isRaw).toBe(false);
});

test("a raw picture is a view of the message", () => {
  const picture = new Uint8Array(3_000).fill(7);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(picture.byteLength);
  const message = toBinary(
    ModelInferRequestSchema,
    create(ModelInferRequestSchema, {
      inputs: [{ name: "in", datatype: "BYTES", shape: [1n], contents: {} }],
      rawInputContents: [Buffer.concat([length, picture])],
    }),
  );

  const { inputs, isRaw } = readInferMessage(message, createWorkBudget(100));

  const [element] = (inputs.get("in") as { elements: readonly Uint8Array[] }).elements;
  expect(isRaw).toBe(true);
  expect(element?.buffer).toBe(message.buffer);
  expect(element?.byteLength).toBe(3_000);
});

const input = { name: "in", datatype: "FP32", shape: [1n] };
const one = { fp32Contents: [1] };

test.each<{ because: string; request: Init }>([
  {
    because: "raw bytes are missing",
    request: { inputs: [input, input], rawInputContents: [Buffer.alloc(4)] },
  },
  {
    because: "there are too many raw bytes",
    request: { inputs: [input], rawInputContents: [Buffer.alloc(4), Buffer.alloc(4)] },
  },
  {
    because: "raw bytes do not fill the shape",
    request: { inputs: [input], rawInputContents: [Buffer.alloc(5)] },
  },
  {
    because: "contents are beside raw bytes",
    request: { inputs: [{ ...input, contents: one }], rawInputContents: [Buffer.alloc(4)] },
  },
  {
    because: "values are in another field",
    request: { inputs: [{ ...input, contents: { fp64Contents: [1] } }] },
  },
  {
    because: "there are too few values",
    request: { inputs: [{ ...input, shape: [2n], contents: one }] },
  },
  {
    because: "the shape is beyond all data",
    request: { inputs: [{ ...input, shape: [2n ** 40n], contents: one }] },
  },
  {
    because: "an extent is negative",
    request: { inputs: [{ ...input, shape: [-1n], contents: one }] },
  },
  {
    because: "a value does not fit",
    request: { inputs: [{ ...input, datatype: "INT8", contents: { intContents: [300] } }] },
  },
  {
    because: "FP16 has no field",
    request: { inputs: [{ ...input, datatype: "FP16", contents: one }] },
  },
  {
    because: "the datatype is unknown",
    request: { inputs: [{ ...input, datatype: "float", contents: one }] },
  },
  {
    because: "an input is there twice",
    request: {
      inputs: [
        { ...input, contents: one },
        { ...input, contents: one },
      ],
    },
  },
])("refuses a message in which $because", ({ request }) => {
  expect(() => read(request)).toThrow(expect.objectContaining({ reason: "invalid-request" }));
});

test("values are charged before a tensor is made of them", () => {
  const contents = { intContents: Array.from({ length: 5_000 }, () => 1) };
  const request = { inputs: [{ name: "in", datatype: "INT8", shape: [5_000n], contents }] };

  expect(() => read(request, 4_000)).toThrow(expect.objectContaining({ reason: "too-large" }));
});

test.each([
  { because: "it ends within a field", bytes: [0x0a, 5, 65] },
  { because: "an extent has no end", bytes: [0x2a, 3, 0x1a, 1, 0x80] },
])("a message is malformed if $because", ({ bytes }) => {
  expect(() => readInferMessage(Uint8Array.from(bytes), createWorkBudget(100))).toThrow(
    expect.objectContaining({ name: "MalformedMessageError" }),
  );
});
