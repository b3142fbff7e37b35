import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  bytesTensor,
  createWorkBudget,
  fixedSizeTensor,
  joined,
  type Tensor,
} from "@tensorgate/core";
import {
  ModelInferRequestSchema,
  ModelInferResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import { expect, test } from "vitest";
import { inferRequestSegments } from "./infer-request-message.ts";
import { readInferResponse } from "./read-infer-response.ts";

type Init = Parameters<typeof create<typeof ModelInferResponseSchema>>[1];

const read = (init: Init, maxElements = 1_000) =>
  readInferResponse(
    toBinary(ModelInferResponseSchema, create(ModelInferResponseSchema, init)),
    createWorkBudget(maxElements),
  );
const output = (shape: readonly bigint[], more: object = {}) => ({
  name: "y",
  datatype: "FP32",
  shape: [...shape],
  ...more,
});
const one = Uint8Array.of(0, 0, 128, 63);

test("raw values and typed ones come out the same", () => {
  const raw = read({ modelVersion: "3", outputs: [output([1n])], rawOutputContents: [one] });
  const typed = read({ outputs: [output([1n], { contents: { fp32Contents: [1] } })] });

  expect(raw.modelVersion).toBe("3");
  expect(raw.outputs.get("y")).toEqual({ dtype: "FP32", shape: [1], data: one });
  expect(typed.outputs.get("y")).toEqual(raw.outputs.get("y"));
});

test("empty contents beside raw values are no matter", () => {
  const outputs = [output([1n], { contents: {} })];

  expect(read({ outputs, rawOutputContents: [one] }).outputs.size).toBe(1);
});

test.each<{ what: string; init: Init }>([
  {
    what: "fewer bytes than the shape needs",
    init: { outputs: [output([2n])], rawOutputContents: [one] },
  },
  {
    what: "more raw values than outputs",
    init: { outputs: [output([1n])], rawOutputContents: [one, one] },
  },
  { what: "no values at all", init: { outputs: [output([1n])] } },
  { what: "a negative extent", init: { outputs: [output([-1n])], rawOutputContents: [one] } },
  { what: "a huge extent", init: { outputs: [output([2n ** 62n])], rawOutputContents: [one] } },
  {
    what: "an unknown datatype",
    init: { outputs: [output([1n], { datatype: "FP31" })], rawOutputContents: [one] },
  },
  {
    what: "an output twice",
    init: { outputs: [output([1n]), output([1n])], rawOutputContents: [one, one] },
  },
])("a response with $what is malformed", ({ init }) => {
  expect(() => read(init)).toThrow(expect.objectContaining({ name: "MalformedMessageError" }));
});

test("a response costs no more than its budget", () => {
  const init = {
    outputs: [output([600n], { contents: { fp32Contents: new Array(600).fill(0) } })],
  };

  expect(() => read(init, 500)).toThrow(expect.objectContaining({ reason: "too-large" }));
});

test("a request is framed around a picture that is not copied", () => {
  const picture = new Uint8Array(3_000).fill(7);
  const segments = inferRequestSegments({
    modelName: "shapes",
    modelVersion: "2",
    id: "mine",
    inputs: new Map<string, Tensor>([
      ["images", bytesTensor([1], [picture])],
      ["size", fixedSizeTensor("INT32", [1], Uint8Array.of(1, 0, 0, 0))],
    ]),
    outputs: ["scores"],
  });

  expect(segments).toContain(picture);
  expect(fromBinary(ModelInferRequestSchema, joined(segments))).toMatchObject({
    modelName: "shapes",
    modelVersion: "2",
    id: "mine",
    inputs: [
      { name: "images", datatype: "BYTES", shape: [1n] },
      { name: "size", datatype: "INT32", shape: [1n] },
    ],
    outputs: [{ name: "scores" }],
    rawInputContents: [
      Uint8Array.from(Buffer.concat([Buffer.of(0xb8, 0x0b, 0, 0), picture])),
      Uint8Array.of(1, 0, 0, 0),
    ],
  });
});

test("a tensor without a datatype of the protocol cannot be sent", () => {
  const inputs = new Map([["x", fixedSizeTensor("COMPLEX64", [1], new Uint8Array(8))]]);
  const request = { modelName: "m", modelVersion: "", id: "", inputs, outputs: [] };

  expect(() => inferRequestSegments(request)).toThrow(
    expect.objectContaining({ reason: "not-supported" }),
  );
});
