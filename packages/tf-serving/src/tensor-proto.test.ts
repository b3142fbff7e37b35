import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  bytesPerElement,
  type DType,
  elementCount,
  type FixedSizeDType,
  type FixedSizeTensor,
  joined,
  type Tensor,
} from "@tensorgate/core";
import { DataType, TensorProtoSchema } from "@tensorgate/proto/tensorflow/framework";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { casesOf, hasCases } from "../../../test/support/conformance-cases.ts";
import { readTensorProto, tensorProtoWriter } from "./tensor-proto.ts";
import { TensorParsingError } from "./tensor-values.ts";

type JsonValue = number | string | boolean | { readonly b64: string } | readonly JsonValue[];

interface ConformanceCase {
  readonly name: string;
  readonly tensor_b64: string;
  readonly expect: { ok: boolean; shape?: readonly number[]; values?: readonly JsonValue[] };
}

const cases = casesOf<ConformanceCase>("tensor_proto.jsonl");

test.skipIf(hasCases)(
  "TensorFlow's cases are skipped: the conformance folder is not here",
  () => {},
);

test.each(cases)("tensor_proto.jsonl: $name", ({ tensor_b64, expect: expected }) => {
  const message = new Uint8Array(Buffer.from(tensor_b64, "base64"));
  if (!expected.ok) {
    expect(() => readTensorProto(message)).toThrow(TensorParsingError);
    return;
  }
  const tensor = readTensorProto(message);
  expect(tensor.shape).toEqual(expected.shape);
  expect(valuesOf(tensor)).toEqual(expected.values?.map(comparable));
});

/** Numbers that JSON cannot hold are strings in the cases; so they are on both sides here. */
function comparable(value: JsonValue): unknown {
  if (typeof value === "number" || typeof value === "boolean") return String(Number(value));
  if (typeof value === "string") return value;
  return "b64" in value ? value.b64 : (value as readonly JsonValue[]).map(comparable);
}

function valuesOf(tensor: Tensor): readonly unknown[] {
  if (tensor.dtype === "BYTES") {
    return tensor.elements.map((bytes) => Buffer.from(bytes).toString("base64"));
  }
  const { dtype, data } = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const size = bytesPerElement[dtype];
  return Array.from({ length: elementCount(tensor.shape) }, (_, index) =>
    elementText(view, index * size, dtype),
  );
}

function numberText(value: number): string {
  return Object.is(value, -0) ? "0" : String(value);
}

function elementText(view: DataView, at: number, dtype: FixedSizeDType): unknown {
  switch (dtype) {
    case "FP32":
      return numberText(view.getFloat32(at, true));
    case "FP64":
      return numberText(view.getFloat64(at, true));
    case "COMPLEX64":
      return [0, 4].map((part) => numberText(view.getFloat32(at + part, true)));
    case "COMPLEX128":
      return [0, 8].map((part) => numberText(view.getFloat64(at + part, true)));
    case "INT64":
      return String(view.getBigInt64(at, true));
    case "UINT64":
      return String(view.getBigUint64(at, true));
    case "INT32":
    case "QINT32":
      return String(view.getInt32(at, true));
    case "UINT32":
      return String(view.getUint32(at, true));
    case "INT16":
    case "QINT16":
      return String(view.getInt16(at, true));
    case "UINT16":
    case "QUINT16":
      return String(view.getUint16(at, true));
    case "FP16":
      return numberText(smallFloat(view.getUint16(at, true), { exponent: 5, mantissa: 10 }));
    case "BF16":
      return numberText(smallFloat(view.getUint16(at, true), { exponent: 8, mantissa: 7 }));
    case "FLOAT8_E4M3FN":
      return numberText(smallFloat(view.getUint8(at), { exponent: 4, mantissa: 3 }));
    case "FLOAT8_E5M2":
      return numberText(smallFloat(view.getUint8(at), { exponent: 5, mantissa: 2 }));
    case "INT8":
    case "QINT8":
    case "INT4":
      return String(view.getInt8(at));
    default:
      return String(view.getUint8(at));
  }
}

/** IEEE-like floats of other widths, without the special cases that no test has. */
function smallFloat(bits: number, { exponent, mantissa }: { exponent: number; mantissa: number }) {
  const sign = bits >> (exponent + mantissa) ? -1 : 1;
  const power = (bits >> mantissa) & ((1 << exponent) - 1);
  const fraction = (bits & ((1 << mantissa) - 1)) / 2 ** mantissa;
  const bias = 2 ** (exponent - 1) - 1;
  if (exponent !== 4 && power === (1 << exponent) - 1) {
    return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  return power === 0
    ? sign * fraction * 2 ** (1 - bias)
    : sign * (1 + fraction) * 2 ** (power - bias);
}

const dtypes = [...Object.keys(bytesPerElement), "BYTES"] as readonly DType[];

const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  })
  .chain(({ dtype, shape }): fc.Arbitrary<Tensor> => {
    const count = elementCount(shape);
    if (dtype === "BYTES") {
      return fc
        .array(fc.uint8Array({ maxLength: 2_000 }), { minLength: count, maxLength: count })
        .map((elements) => ({ dtype, shape, elements }));
    }
    const length = count * bytesPerElement[dtype];
    return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => ({
      dtype,
      shape,
      // A truth value is 0 or 1, and nothing else survives.
      data: dtype === "BOOL" ? bytes.map((byte) => byte & 1) : bytes,
    }));
  });

function plain(tensor: Tensor) {
  return tensor.dtype === "BYTES"
    ? { ...tensor, elements: tensor.elements.map((bytes) => [...bytes]) }
    : { ...tensor, data: [...tensor.data] };
}

describe.each(["values", "content"] as const)("encoded as %s", (encoding) => {
  const encoded = (tensor: Tensor) => joined(tensorProtoWriter(tensor, encoding).finish());

  test("a tensor of any type and shape reads back as it was", () => {
    fc.assert(
      fc.property(anyTensor, (tensor) => {
        expect(plain(readTensorProto(encoded(tensor)))).toEqual(plain(tensor));
      }),
    );
  });

  test("the generated code reads and writes the same message", () => {
    fc.assert(
      fc.property(anyTensor, (tensor) => {
        const message = fromBinary(TensorProtoSchema, encoded(tensor));
        const rewritten = toBinary(TensorProtoSchema, message);
        expect(quieted(readTensorProto(rewritten))).toEqual(quieted(tensor));
      }),
    );
  });
});

/** JavaScript's numbers, which the generated code goes by, have only quiet NaNs. */
function quieted(tensor: Tensor) {
  if (tensor.dtype !== "FP32" && tensor.dtype !== "COMPLEX64") return plain(tensor);
  const data = new Uint8Array(tensor.data);
  const view = new DataView(data.buffer);
  for (let at = 0; at < data.length; at += 4) {
    if (Number.isNaN(view.getFloat32(at, true))) data[at + 2] = (data[at + 2] ?? 0) | 0x40;
  }
  return plain({ ...tensor, data });
}

// As TensorFlow's own parser has it.
test("a tensor without elements has none, whatever its content and values are", () => {
  const tensor = {
    tensorShape: { dim: [{ size: 2n }, { size: 0n }] },
    tensorContent: Uint8Array.of(1, 2, 3),
  };
  const read = (dtype: DataType) =>
    readTensorProto(toBinary(TensorProtoSchema, create(TensorProtoSchema, { ...tensor, dtype })));

  expect(read(DataType.DT_FLOAT)).toEqual({
    dtype: "FP32",
    shape: [2, 0],
    data: new Uint8Array(),
  });
  expect(read(DataType.DT_STRING)).toEqual({ dtype: "BYTES", shape: [2, 0], elements: [] });
});

test("half a complex number does not count", () => {
  const message = create(TensorProtoSchema, {
    dtype: DataType.DT_COMPLEX64,
    tensorShape: { dim: [{ size: 3n }] },
    scomplexVal: [1, 2, 3],
  });
  const { data } = readTensorProto(toBinary(TensorProtoSchema, message)) as FixedSizeTensor;
  expect([...new Float32Array(Uint8Array.from(data).buffer)]).toEqual([1, 2, 1, 2, 1, 2]);
});

test("a type of references is no type of a tensor", () => {
  const message = create(TensorProtoSchema, { dtype: 101 as DataType, floatVal: [1] });
  const bytes = toBinary(TensorProtoSchema, message);
  expect(() => readTensorProto(bytes)).toThrow(TensorParsingError);
});

test("random bytes are a tensor or a parsing error, and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        readTensorProto(bytes);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(TensorParsingError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a message of a few bytes that asks for gigabytes is refused", () => {
  const shape = [1_000_000, 1_000_000];
  const tiny = joined(
    tensorProtoWriter({ dtype: "FP32", shape, data: new Uint8Array() }, "values").finish(),
  );
  const strings = joined(
    tensorProtoWriter({ dtype: "BYTES", shape, elements: [] }, "values").finish(),
  );

  expect(() => readTensorProto(tiny)).toThrow(TensorParsingError);
  expect(() => readTensorProto(strings)).toThrow(TensorParsingError);
});
