import { joined, MessageWriter, type Tensor, TooLargeError } from "@tensorgate/core";
import { expect, test } from "vitest";
import { scoreResponseFromPredictResponse } from "./predict-reply.ts";
import { createTensorBudget, readTensorProto, tensorProtoWriter } from "./tensor-proto.ts";
import { TensorParsingError } from "./tensor-values.ts";

// What a reply may cost is counted while it is read: as many elements as there are, whatever the bytes.

const dtype = { float: 1, string: 7, int64: 9, bool: 10 } as const;

/** A message that is `field` over and over, in `byteCount` bytes. */
function repeated(field: readonly number[], byteCount: number): Uint8Array {
  return new Uint8Array(byteCount).map((_, at) => field[at % field.length] as number);
}

/** A tensor of a type, with other fields after it. */
const tensorOf = (type: number, fields: Uint8Array, shape: readonly number[] = []) => {
  const dims = new MessageWriter();
  for (const extent of shape) {
    dims.messageField(2, new MessageWriter().varintField(1, BigInt(extent)));
  }
  const writer = new MessageWriter().varintField(1, BigInt(type)).messageField(2, dims);
  return Buffer.concat([joined(writer.finish()), fields]);
};

/** A reply with these tensors. */
function replyOf(...tensors: readonly Uint8Array[]): Uint8Array {
  const writer = new MessageWriter();
  for (const [index, tensor] of tensors.entries()) {
    const entry = new MessageWriter().stringField(1, `output-${index}`);
    writer.messageField(1, entry.bytesField(2, tensor));
  }
  return joined(writer.finish());
}

const mib = 1_048_576;

test.each([
  { what: "empty strings", message: tensorOf(dtype.string, repeated([0x42, 0], 16 * mib)) },
  { what: "unpacked floats", message: tensorOf(dtype.float, repeated([0x2d, 0, 0, 0, 0], mib)) },
  { what: "unpacked varints", message: tensorOf(dtype.int64, repeated([0x50, 1], mib)) },
  { what: "unknown fields", message: tensorOf(dtype.float, repeated([0x78, 0], 16 * mib)) },
  { what: "empty packed fields", message: tensorOf(dtype.float, repeated([0x2a, 0], mib)) },
  { what: "types", message: repeated([0x08, 1], mib) },
  { what: "empty shapes", message: tensorOf(dtype.float, repeated([0x12, 0], mib)) },
  {
    what: "unknown fields of a shape",
    message: joined(new MessageWriter().bytesField(2, repeated([0x18, 1], mib)).finish()),
  },
])("a tensor of $what is given up at the first element over the budget", ({ message }) => {
  const budget = createTensorBudget({ maxElements: 1_000 });

  expect(() => readTensorProto(message, budget)).toThrow(TensorParsingError);
  expect(budget.elements.spent).toBe(1_001);
  expect(() => readTensorProto(message)).toThrow(TensorParsingError);
});

test("a shape is given up at the 255th extent", () => {
  const budget = createTensorBudget();
  const shape = joined(new MessageWriter().bytesField(2, repeated([0x12, 0], 16 * mib)).finish());

  expect(() => readTensorProto(shape, budget)).toThrow("a rank of more than 254");
  expect(budget.elements.spent).toBeLessThan(300);
});

test("a shape in many pieces is bounded alike", () => {
  const budget = createTensorBudget();

  expect(() => readTensorProto(repeated([0x12, 2, 0x12, 0], mib), budget)).toThrow(
    "a rank of more than 254",
  );
  expect(budget.elements.spent).toBeLessThan(600);
});

test.each([
  { what: "small outputs", message: repeated([0x0a, 4, 0x12, 2, 8, 1], 6 * mib) },
  { what: "model specs", message: repeated([0x12, 0], mib) },
  { what: "unknown fields", message: repeated([0x78, 0], 16 * mib) },
  {
    what: "fields of an entry",
    message: joined(new MessageWriter().bytesField(1, repeated([0x0a, 0], mib)).finish()),
  },
  {
    what: "fields of a model spec",
    message: joined(new MessageWriter().bytesField(2, repeated([0x12, 0], mib)).finish()),
  },
])("a reply of $what is given up at the first element over the budget", ({ message }) => {
  const budget = createTensorBudget({ maxElements: 1_000 });
  const read = () => scoreResponseFromPredictResponse(message, { asked: { name: "m" }, budget });

  expect(read).toThrow(TooLargeError);
  expect(budget.elements.spent).toBe(1_001);
});

test("a reply with an output of a very long name is rejected", () => {
  const reply = (length: number) => {
    const entry = new MessageWriter().stringField(1, "n".repeat(length));
    const tensor = tensorOf(dtype.float, new Uint8Array());
    return joined(new MessageWriter().messageField(1, entry.bytesField(2, tensor)).finish());
  };
  const read = (length: number) =>
    scoreResponseFromPredictResponse(reply(length), { asked: { name: "m" } });

  expect(read(1_024).outputs.size).toBe(1);
  expect(() => read(1_025)).toThrow(TooLargeError);
});

test("the outputs of a reply share one budget", () => {
  const strings = tensorOf(dtype.string, repeated([0x42, 0], 1_000), [500]);
  const read = (maxElements: number) => () =>
    scoreResponseFromPredictResponse(replyOf(strings, strings, strings), {
      asked: { name: "m" },
      budget: createTensorBudget({ maxElements }),
    });

  expect(read(1_400)).toThrow(TensorParsingError);
  expect(read(1_600)).not.toThrow();
});

test.each([
  { what: "FP32", type: dtype.float },
  { what: "INT64", type: dtype.int64 },
  { what: "BOOL", type: dtype.bool },
])(
  "$what values that the shape asks for, and are not there, are charged before memory is taken",
  ({ type }) => {
    const huge = tensorOf(type, new Uint8Array(), [2 ** 31]);
    const large = tensorOf(type, new Uint8Array(), [mib]);
    const budget = () => createTensorBudget({ maxValueBytes: 16 * mib });
    const read = (...tensors: readonly Uint8Array[]) =>
      scoreResponseFromPredictResponse(replyOf(...tensors), {
        asked: { name: "m" },
        budget: budget(),
      });

    expect(() => read(huge)).toThrow("at most 16777216 are accepted");
    expect(read(large).outputs.size).toBe(1);
    expect(() => read(...Array<Uint8Array>(20).fill(large))).toThrow("at most 16777216");
  },
);

test("strings that the shape asks for, and are not there, are charged as elements", () => {
  const one = repeated([0x42, 0], 2);
  const read = (count: number) => () => readTensorProto(tensorOf(dtype.string, one, [count]));

  expect(read(100_000)().shape).toEqual([100_000]);
  expect(read(200_000)).toThrow(TensorParsingError);
  const tensor = { dtype: "BYTES", shape: [200_000], elements: [] } as const;
  const content = joined(tensorProtoWriter(withEmpty(tensor, 200_000), "content").finish());
  expect(() => readTensorProto(content)).toThrow(TensorParsingError);
});

const withEmpty = (tensor: Extract<Tensor, { dtype: "BYTES" }>, count: number) => ({
  ...tensor,
  elements: Array<Uint8Array>(count).fill(new Uint8Array()),
});

test("values in one piece cost their bytes alone, however many", () => {
  const budget = createTensorBudget({ maxElements: 100 });
  const floats = new Uint8Array(16 * mib);
  const packed = joined(
    new MessageWriter()
      .bytesField(5, floats)
      .messageField(
        2,
        new MessageWriter().messageField(2, new MessageWriter().varintField(1, BigInt(4 * mib))),
      )
      .varintField(1, 1n)
      .finish(),
  );

  const tensor = readTensorProto(packed, budget);

  expect(tensor).toMatchObject({ dtype: "FP32", shape: [4 * mib] });
  expect(budget.elements.spent).toBeLessThan(10);
});

test("packed varints of a whole reply are read into one array; the extra ones are dropped", () => {
  const ones = tensorOf(dtype.int64, new Uint8Array(), [4]);
  const packed = joined(new MessageWriter().bytesField(10, repeated([1], 16 * mib)).finish());
  const budget = createTensorBudget({ maxElements: 100, maxValueBytes: 32 });

  const tensor = readTensorProto(Buffer.concat([ones, packed]), budget);

  const data = tensor.dtype === "INT64" ? tensor.data : new Uint8Array();
  expect([...new BigInt64Array(data.buffer)]).toEqual([1n, 1n, 1n, 1n]);
});

test("packed integers, which are read one by one, are bounded in all tensors of a reply together", () => {
  const count = 6 * mib;
  const packed = joined(new MessageWriter().bytesField(10, new Uint8Array(count)).finish());
  const tensor = tensorOf(dtype.int64, packed, [count]);
  const read = (...tensors: readonly Uint8Array[]) =>
    scoreResponseFromPredictResponse(replyOf(...tensors), { asked: { name: "m" } });

  expect(read(tensor, tensor).outputs.size).toBe(2);
  expect(() => read(tensor, tensor, tensor)).toThrow("at most 16777216 are accepted");
});
