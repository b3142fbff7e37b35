import { fromBinary } from "@bufbuild/protobuf";
import { bytesTensor, fixedSizeTensor, joined, type Tensor } from "@tensorgate/core";
import {
  ModelInferResponseSchema,
  ModelStreamInferResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import { expect, test } from "vitest";
import {
  inferResponseSegments,
  streamErrorSegments,
  streamResponseSegments,
} from "./infer-response-message.ts";

const response = (tensor: Tensor, isRaw: boolean) => ({
  id: "mine",
  modelName: "m",
  modelVersion: "3",
  outputs: [{ name: "out", tensor }],
  isRaw,
});
const written = (tensor: Tensor, isRaw = false) =>
  fromBinary(ModelInferResponseSchema, joined(inferResponseSegments(response(tensor, isRaw))));
const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

test("raw values follow the outputs", () => {
  const message = written(bytesTensor([2], [hex("ff"), hex("")]), true);

  expect(message).toMatchObject({ modelName: "m", modelVersion: "3", id: "mine" });
  expect(message.outputs).toMatchObject([{ name: "out", datatype: "BYTES", shape: [2n] }]);
  expect(message.outputs[0]?.contents).toBeUndefined();
  expect(message.rawOutputContents.map((each) => Buffer.from(each).toString("hex"))).toEqual([
    "01000000ff00000000",
  ]);
});

test.each([
  ["BOOL", "0100", { boolContents: [true, false] }],
  ["INT8", "80ff7f", { intContents: [-128, -1, 127] }],
  ["INT32", "ffffffff00000080", { intContents: [-1, -2_147_483_648] }],
  ["INT64", "0000000000000080", { int64Contents: [-(2n ** 63n)] }],
  ["UINT8", "00ff", { uintContents: [0, 255] }],
  ["UINT32", "ffffffff", { uintContents: [4_294_967_295] }],
  ["UINT64", "ffffffffffffffff", { uint64Contents: [2n ** 64n - 1n] }],
  ["FP32", "0000c03f", { fp32Contents: [1.5] }],
  ["FP64", "000000000000f83f", { fp64Contents: [1.5] }],
  ["FP32", "", { fp32Contents: [] }],
] as const)("contents of %s %s are in their field", (dtype, bytes, contents) => {
  const widths = { BOOL: 1, INT8: 1, INT32: 4, INT64: 8, UINT8: 1, UINT32: 4, UINT64: 8 };
  const width = { ...widths, FP32: 4, FP64: 8 }[dtype];
  const data = hex(bytes);
  const message = written(fixedSizeTensor(dtype, [data.byteLength / width], data));

  expect(message.rawOutputContents).toEqual([]);
  expect(message.outputs[0]?.contents).toMatchObject(contents);
});

test("BYTES are contents, too", () => {
  const elements = [hex("616263"), hex("ff00")];

  expect(written(bytesTensor([2], elements)).outputs[0]?.contents?.bytesContents).toEqual(elements);
});

test.each([
  ["FP16, which has no field", fixedSizeTensor("FP16", [1], hex("003c"))],
  ["more values than are worth it", fixedSizeTensor("UINT8", [70_000], new Uint8Array(70_000))],
])("raw bytes also without asking: %s", (_, tensor) => {
  expect(written(tensor).rawOutputContents).toHaveLength(1);
});

test("a type that the protocol does not have is not supported", () => {
  const tensor = fixedSizeTensor("COMPLEX64", [1], new Uint8Array(8));

  expect(() => written(tensor)).toThrow(expect.objectContaining({ reason: "not-supported" }));
});

test("a large output is not copied", () => {
  const data = new Uint8Array(4_000);

  expect(inferResponseSegments(response(fixedSizeTensor("FP32", [1_000], data), true))).toContain(
    data,
  );
});

test("an answer of a stream is the final one of its request, and a failure has the id", () => {
  const tensor = fixedSizeTensor("UINT8", [1], hex("07"));
  const read = (segments: readonly Uint8Array[]) =>
    fromBinary(ModelStreamInferResponseSchema, joined(segments));

  expect(read(streamResponseSegments(response(tensor, true)))).toMatchObject({
    errorMessage: "",
    inferResponse: {
      id: "mine",
      parameters: {
        triton_final_response: { parameterChoice: { case: "boolParam", value: true } },
      },
      rawOutputContents: [hex("07")],
    },
  });
  expect(read(streamErrorSegments("why", { id: "mine", modelName: "m" }))).toMatchObject({
    errorMessage: "why",
    inferResponse: { id: "mine", modelName: "m", outputs: [] },
  });
});
