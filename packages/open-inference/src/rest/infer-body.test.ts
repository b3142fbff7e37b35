import { bytesTensor, createWorkBudget, float32Tensor, type Tensor } from "@tensorgate/core";
import { expect, test } from "vitest";
import { readInferBody, readJsonLength } from "./infer-request.ts";
import { writeInferResponse } from "./infer-response.ts";
import { rawInferRequest } from "./raw-request.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const budget = () => createWorkBudget(10_000);
const read = (value: unknown) => readInferBody(utf8(JSON.stringify(value)), budget());
const inputOf = (datatype: string, shape: readonly number[], data: unknown) => ({
  inputs: [{ name: "in", datatype, shape, data }],
});
const tensorOf = (datatype: string, shape: readonly number[], data: unknown) =>
  read(inputOf(datatype, shape, data)).inputs.get("in") as Tensor;
const dataOf = (tensor: Tensor) =>
  "data" in tensor ? Buffer.from(tensor.data).toString("hex") : tensor.elements;

test.each([
  { datatype: "BOOL", data: [true, false], hex: "0100" },
  { datatype: "UINT8", data: [0, 255], hex: "00ff" },
  { datatype: "UINT16", data: [1, 65_535], hex: "0100ffff" },
  { datatype: "UINT32", data: [1, 4_294_967_295], hex: "01000000ffffffff" },
  { datatype: "INT8", data: [-128, 127], hex: "807f" },
  { datatype: "INT16", data: [-1, 1], hex: "ffff0100" },
  { datatype: "INT32", data: [-1, 1], hex: "ffffffff01000000" },
  { datatype: "INT64", data: [-1, 1], hex: "ffffffffffffffff0100000000000000" },
  { datatype: "FP32", data: [1, -2.5], hex: "0000803f000020c0" },
  { datatype: "FP64", data: [1, -2.5], hex: "000000000000f03f00000000000004c0" },
])("reads $datatype from JSON", ({ datatype, data, hex }) => {
  expect(dataOf(tensorOf(datatype, [2], data))).toBe(hex);
});

test("reads integers of 64 bits to their last digit", () => {
  const text =
    '{"inputs":[{"name":"a","datatype":"INT64","shape":[2],"data":[-9223372036854775808,9007199254740993]},' +
    '{"name":"b","datatype":"UINT64","shape":[1],"data":[[18446744073709551615]]}]}';

  const { inputs } = readInferBody(utf8(text), budget());

  expect(dataOf(inputs.get("a") as Tensor)).toBe("00000000000000800100000000002000");
  expect(dataOf(inputs.get("b") as Tensor)).toBe("ffffffffffffffff");
});

test("flattens nested arrays", () => {
  expect(
    dataOf(
      tensorOf(
        "UINT8",
        [2, 2],
        [
          [1, 2],
          [3, 4],
        ],
      ),
    ),
  ).toBe("01020304");
});

test("reads BYTES as text, as base64 by content_type, and as objects with b64", () => {
  const texts = tensorOf("BYTES", [3], ["grün", "", { b64: "AP8=" }]);
  const { inputs } = read({
    inputs: [
      {
        name: "in",
        datatype: "BYTES",
        shape: [1],
        data: ["/w=="],
        parameters: { content_type: "base64" },
      },
    ],
  });

  expect(dataOf(texts)).toEqual([utf8("grün"), utf8(""), Buffer.of(0, 255)]);
  expect(dataOf(inputs.get("in") as Tensor)).toEqual([Buffer.of(255)]);
});

test.each([
  { because: "an integer wraps", input: inputOf("INT8", [1], [300]) },
  { because: "an integer is negative", input: inputOf("UINT64", [1], [-1]) },
  { because: "an integer is beyond 64 bits", input: inputOf("INT64", [1], [1e19]) },
  { because: "an integer has a fraction", input: inputOf("INT64", [1], [1.5]) },
  { because: "a float would be infinite", input: inputOf("FP32", [1], [1e39]) },
  { because: "a number is a text", input: inputOf("FP32", [1], ["1"]) },
  { because: "a value is null", input: inputOf("FP32", [1], [null]) },
  { because: "a truth value is a number", input: inputOf("BOOL", [1], [1]) },
  { because: "FP16 has no JSON form", input: inputOf("FP16", [1], [1]) },
  { because: "base64 has another alphabet", input: inputOf("BYTES", [1], [{ b64: "_-8=" }]) },
  { because: "there are too few values", input: inputOf("FP32", [3], [1, 2]) },
  { because: "the shape is beyond all data", input: inputOf("FP32", [2 ** 40], [1]) },
  { because: "the count is no safe integer", input: inputOf("FP32", [2 ** 40, 2 ** 40], [1]) },
  { because: "an extent is negative", input: inputOf("FP32", [-1], [1]) },
  { because: "the datatype is unknown", input: inputOf("fp32", [1], [1]) },
  { because: "the datatype is not the protocol's", input: inputOf("COMPLEX64", [1], [1]) },
  { because: "there are no data", input: inputOf("FP32", [1], undefined) },
  { because: "inputs are no list", input: { inputs: {} } },
  { because: "a parameter is null", input: { inputs: [], parameters: { a: null } } },
  {
    because: "an input is there twice",
    input: { inputs: [...inputOf("INT8", [1], [1]).inputs, ...inputOf("INT8", [1], [1]).inputs] },
  },
  {
    because: "the number of classes is negative",
    input: { inputs: [], outputs: [{ name: "out", parameters: { classification: -1 } }] },
  },
  {
    because: "the values are in shared memory",
    input: {
      inputs: [
        { name: "in", datatype: "INT8", shape: [1], parameters: { shared_memory_region: "r" } },
      ],
    },
  },
])("refuses a request in which $because", ({ input }) => {
  expect(() => read(input)).toThrow(expect.objectContaining({ reason: "invalid-request" }));
});

const binaryRequest = (sizes: readonly number[], blob: Uint8Array) => {
  const json = utf8(
    JSON.stringify({
      inputs: sizes.map((size, index) => ({
        name: `in${index}`,
        datatype: "BYTES",
        shape: [1],
        parameters: { binary_data_size: size },
      })),
    }),
  );
  return { body: Buffer.concat([json, blob]), jsonBytes: json.byteLength };
};

test("a binary tensor is a view of the body", () => {
  const picture = new Uint8Array(5_000).fill(7);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(picture.byteLength);
  const { body, jsonBytes } = binaryRequest([5_004], Buffer.concat([length, picture]));

  const { inputs } = readInferBody(body, budget(), jsonBytes);

  const [element] = (inputs.get("in0") as { elements: readonly Uint8Array[] }).elements;
  expect(element?.buffer).toBe(body.buffer);
  expect(Buffer.compare(element as Uint8Array, picture)).toBe(0);
});

test.each([
  { because: "bytes are missing", sizes: [5, 5], blob: Buffer.of(1, 0, 0, 0, 65) },
  { because: "bytes are left over", sizes: [5], blob: Buffer.of(1, 0, 0, 0, 65, 66) },
  { because: "an element is longer than the rest", sizes: [5], blob: Buffer.of(2, 0, 0, 0, 65) },
  { because: "a length is cut", sizes: [3], blob: Buffer.of(1, 0, 0) },
])("refuses binary data if $because", ({ sizes, blob }) => {
  const { body, jsonBytes } = binaryRequest(sizes, blob);

  expect(() => readInferBody(body, budget(), jsonBytes)).toThrow(
    expect.objectContaining({ reason: "invalid-request" }),
  );
});

test("elements of BYTES are charged before they are made", () => {
  const { body, jsonBytes } = binaryRequest([40_000], Buffer.alloc(40_000));

  expect(() => readInferBody(body, createWorkBudget(5_000), jsonBytes)).toThrow(
    expect.objectContaining({ reason: "too-large" }),
  );
});

test.each(["-1", "abc", "1.5", "", "11", "9".repeat(400)])(
  "refuses the JSON length %j of a body of ten bytes",
  (header) => {
    expect(() => readJsonLength(header, 10)).toThrow(/inference-header-content-length/);
  },
);

test.each([
  { datatype: "BYTES", shape: [-1], body: 3, filled: [1] },
  { datatype: "FP32", shape: [-1, 2], body: 24, filled: [3, 2] },
  { datatype: "UINT8", shape: [2, 2], body: 4, filled: [2, 2] },
] as const)("a raw body fills $datatype $shape", ({ datatype, shape, body, filled }) => {
  const request = rawInferRequest(new Uint8Array(body), { name: "in", datatype, shape });

  expect(request.inputs.get("in")?.shape).toEqual(filled);
  expect(request.isBinaryOutput).toBe(true);
});

test.each([
  { datatype: "BYTES", shape: [2], body: 3 },
  { datatype: "FP32", shape: [-1, -1], body: 16 },
  { datatype: "FP32", shape: [-1, 2], body: 9 },
  { datatype: "FP32", shape: [0, -1], body: 4 },
] as const)("a raw body of $body bytes is not $datatype $shape", ({ datatype, shape, body }) => {
  expect(() => rawInferRequest(new Uint8Array(body), { name: "in", datatype, shape })).toThrow(
    expect.objectContaining({ reason: "invalid-request" }),
  );
});

const answerOf = (tensor: Tensor, isBinary = false) => {
  const written = writeInferResponse({
    modelName: "m",
    modelVersion: "3",
    id: "one",
    outputs: [{ name: "out", tensor, isBinary }],
  });
  return { json: Buffer.concat([...written.json]).toString(), blobs: Buffer.concat(written.blobs) };
};

test("writes the shortest floats, and null for what JSON cannot hold", () => {
  const values = Float32Array.of(0.1, -0, Number.NaN, Number.POSITIVE_INFINITY);

  expect(answerOf(float32Tensor([4], values)).json).toBe(
    '{"id":"one","model_name":"m","model_version":"3","outputs":[' +
      '{"name":"out","datatype":"FP32","shape":[4],"data":[0.1,-0.0,null,null]}]}',
  );
});

test("writes integers of 64 bits to their last digit", () => {
  const data = new Uint8Array(BigUint64Array.of(2n ** 64n - 1n).buffer);

  expect(answerOf({ dtype: "UINT64", shape: [1], data }).json).toContain("[18446744073709551615]");
});

test("writes binary outputs after the JSON, with their sizes in it", () => {
  const { json, blobs } = answerOf(bytesTensor([1], [utf8("abc")]), true);

  expect(JSON.parse(json).outputs).toEqual([
    { name: "out", datatype: "BYTES", shape: [1], parameters: { binary_data_size: 7 } },
  ]);
  expect(blobs.toString("hex")).toBe("03000000616263");
});

test.each([
  { tensor: { dtype: "FP16", shape: [1], data: new Uint8Array(2) }, text: "FP16" },
  { tensor: bytesTensor([1], [Uint8Array.of(0xff)]), text: "binary" },
] as const)("asks for binary data where JSON has no form", ({ tensor, text }) => {
  expect(() => answerOf(tensor)).toThrow(text);
});

test("a tensor of another type of TensorFlow's is not supported", () => {
  expect(() => answerOf({ dtype: "QINT8", shape: [1], data: new Uint8Array(1) })).toThrow(
    expect.objectContaining({ reason: "not-supported" }),
  );
});
