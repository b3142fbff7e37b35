import { bytesTensor, fixedSizeTensor, type Tensor } from "@tensorgate/core";
import { expect, test } from "vitest";
import { withListJson } from "./json-form.ts";
import { outputFromTensor } from "./tensor-values.ts";

const bytesOf = (values: ArrayBufferView) =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const texts = (...elements: readonly string[]) =>
  elements.map((text) => new TextEncoder().encode(text));

const tensors: readonly { readonly tensor: Tensor; readonly data: unknown }[] = [
  {
    tensor: fixedSizeTensor("FP32", [2, 2], bytesOf(Float32Array.of(0.1, Number.NaN, -2, 1 / 0))),
    data: [0.1, "NaN", -2, "Infinity"],
  },
  {
    tensor: fixedSizeTensor("FP64", [2], bytesOf(Float64Array.of(0.1, -1 / 0))),
    data: [0.1, "-Infinity"],
  },
  { tensor: fixedSizeTensor("FP16", [2], bytesOf(Uint16Array.of(0x3c00, 0x3800))), data: [1, 0.5] },
  {
    tensor: fixedSizeTensor("INT64", [1], bytesOf(BigInt64Array.of(-(2n ** 60n)))),
    data: ["-1152921504606846976"],
  },
  { tensor: fixedSizeTensor("UINT8", [2], Uint8Array.of(7, 255)), data: [7, 255] },
  { tensor: fixedSizeTensor("BOOL", [2], Uint8Array.of(1, 0)), data: [true, false] },
  { tensor: fixedSizeTensor("COMPLEX64", [1], new Uint8Array(8)), data: "AAAAAAAAAAA=" },
  { tensor: bytesTensor([2], texts("a", "ü")), data: ["YQ==", "w7w="] },
];

test.each(tensors)("a tensor of $tensor.dtype has a form in JSON", ({ tensor, data }) => {
  const output = outputFromTensor(tensor);

  expect(JSON.parse(JSON.stringify({ output }))).toEqual({
    output: { dtype: tensor.dtype, shape: tensor.shape, data },
  });
  expect(Object.keys(output)).toEqual(["dtype", "shape", "data"]);
});

test("features are a list in JSON, with the shortest decimals", () => {
  const features = withListJson(Float32Array.of(0.1, 1 / 3, Number.NaN));

  expect(JSON.stringify(features)).toBe('[0.1,0.33333334,"NaN"]');
});
