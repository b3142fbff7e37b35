import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  bytesTensor,
  type DialectNames,
  fieldTag,
  fixedSizeTensor,
  float32Tensor,
  joined,
  MessageWriter,
  type Tensor,
  wireType,
} from "@tensorgate/core";
import { expect, test } from "vitest";
import { predictResponseSegments } from "./predict.ts";
import { createPredictReplyReader, scoreResponseFromPredictResponse } from "./predict-reply.ts";
import type { TensorEncoding } from "./tensor-proto.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

const asked = { name: "m" };

const replyWith = (
  tensor: Tensor,
  { version = 1n, encoding = "values" }: { version?: bigint; encoding?: TensorEncoding } = {},
): Uint8Array =>
  joined(
    predictResponseSegments({
      model: { name: "m", version },
      outputs: new Map([["scores", tensor]]),
      encoding,
    }),
  );

/** Whether a reply is taken as one that is laid out as the last one: only then they share a shape. */
function isRemembered(last: Uint8Array, next: Uint8Array): boolean {
  const read = createPredictReplyReader({});
  const shapeOf = (message: Uint8Array) => read(message, asked).outputs.get("scores")?.shape;
  return shapeOf(last) === shapeOf(next);
}

test("the next reply is not parsed, whatever its values are, and its values are viewed", () => {
  const replyOf = (...values: readonly number[]) =>
    replyWith(float32Tensor([1, 2], Float32Array.from(values)));
  const last = replyOf(1, 2);
  const next = replyOf(-3, Number.NaN);

  expect(isRemembered(last, next)).toBe(true);
  const read = createPredictReplyReader({});
  read(last, asked);
  const tensor = read(next, asked).outputs.get("scores");
  expect(tensor).toMatchObject({ dtype: "FP32", shape: [1, 2] });
  expect(tensor?.dtype === "FP32" && tensor.data.buffer).toBe(next.buffer);
});

test("of the last reply the values are not kept", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const read = createPredictReplyReader({});
  const readOnce = () => {
    const message = replyWith(float32Tensor([250_000], new Float32Array(250_000)));
    read(message, asked);
    return new WeakRef(message.buffer);
  };
  const last = readOnce();
  // What a weak reference was made of stays until its turn of the event loop is over.
  await settled();
  collect();

  expect(last.deref()).toBeUndefined();
  const next = replyWith(float32Tensor([250_000], new Float32Array(250_000).fill(1)));
  expect(read(next, asked)).toEqual(scoreResponseFromPredictResponse(next, { asked }));
});

test("outputs of another order than their values are viewed in their places", () => {
  const tensorOf = (value: number) => float32Tensor([1], Float32Array.of(value));
  const replyOf = (first: number, second: number, other = "other") =>
    joined(
      predictResponseSegments({
        outputs: new Map([
          [other, tensorOf(first)],
          ["wire:0", tensorOf(second)],
        ]),
      }),
    );
  const names = {
    inputs: new Map(),
    outputs: new Map(),
    canonicalOutputs: new Map([["wire:0", "scores"]]),
    patterns: [],
  };
  const read = createPredictReplyReader({});
  const last = read(replyOf(1, 2), asked, names).outputs;

  expect([...last.keys()]).toEqual(["scores", "other"]);
  for (const message of [replyOf(3, 4), replyOf(5, 6), replyOf(3, 4, "OTHER")]) {
    const response = read(message, asked, names);
    expect(response).toEqual(scoreResponseFromPredictResponse(message, { asked, names }));
    const isOther = response.outputs.has("OTHER");
    expect(response.outputs.get("scores")?.shape === last.get("scores")?.shape).toBe(!isOther);
  }
});

test.each<{ what: string; tensor: Tensor; encoding?: TensorEncoding }>([
  { what: "integers one by one", tensor: fixedSizeTensor("INT32", [1], new Uint8Array(4)) },
  {
    what: "truth values, which may be wrong ones",
    tensor: fixedSizeTensor("BOOL", [1], new Uint8Array(1)),
    encoding: "content",
  },
  { what: "strings", tensor: bytesTensor([1], [Uint8Array.of(1)]) },
  { what: "no values", tensor: float32Tensor([0], new Float32Array()) },
])("a reply of $what is parsed each time", ({ tensor, encoding = "values" }) => {
  const message = replyWith(tensor, { encoding });

  expect(isRemembered(message, message)).toBe(false);
});

test("bytes that came as a varint are not taken as the value of a float, the next ones being fewer", () => {
  const tensor = (varint: readonly number[]) =>
    Uint8Array.of(8, 1, 0x12, 4, 0x12, 2, 8, 1, fieldTag(5, wireType.varint), ...varint);
  const replyOf = (varint: readonly number[]) => {
    const writer = new MessageWriter().stringField(1, "scores").bytesField(2, tensor(varint));
    return joined(new MessageWriter().messageField(1, writer).finish());
  };
  const last = replyOf([0x81, 0x81, 0x81, 1]);
  const next = replyOf([0x81, 1, 0x10, 1]);

  const read = createPredictReplyReader({});
  read(last, asked);

  expect(() => read(next, asked)).toThrow("cut short");
});

test("a reply is parsed if another version answers", () => {
  const tensor = float32Tensor([1], Float32Array.of(1));
  const read = createPredictReplyReader({});

  read(replyWith(tensor, { version: 1n }), asked);

  expect(read(replyWith(tensor, { version: 2n }), asked).model.version).toBe(2n);
});

test("the same reply under other names has its outputs under those", () => {
  const message = replyWith(float32Tensor([1], Float32Array.of(1)));
  const names = {
    inputs: new Map(),
    outputs: new Map(),
    canonicalOutputs: new Map([["scores", "probabilities"]]),
    patterns: [],
  };
  const read = createPredictReplyReader({});
  const namesOf = (...call: [names?: DialectNames]) => [
    ...read(message, asked, ...call).outputs.keys(),
  ];

  expect(namesOf()).toEqual(["scores"]);
  expect(namesOf(names)).toEqual(["probabilities"]);
  expect(namesOf()).toEqual(["scores"]);
});

test("a reply is parsed if it is longer than the last one, or shorter, and begins as that does", () => {
  const message = replyWith(float32Tensor([1], Float32Array.of(1)));
  const more = predictResponseSegments({ model: { name: "m", version: 2n }, outputs: new Map() });
  const endsInValues = joined(
    predictResponseSegments({
      outputs: new Map([["scores", float32Tensor([1], Float32Array.of(1))]]),
    }),
  );
  const read = createPredictReplyReader({});

  read(message, asked);
  expect(read(Buffer.concat([message, ...more]), asked).model.version).toBe(2n);
  read(endsInValues, asked);
  expect(() => read(endsInValues.subarray(0, -1), asked)).toThrow("cut short");
});

test("of a reply with more than 4 KiB beside its values nothing is kept", () => {
  const tensor = float32Tensor([1], Float32Array.of(1));
  const withUnknown = (byteCount: number) => {
    const unknown = new MessageWriter().bytesField(9, new Uint8Array(byteCount)).finish();
    return Buffer.concat([replyWith(tensor), joined(unknown)]);
  };

  expect(isRemembered(withUnknown(4_000), withUnknown(4_000))).toBe(true);
  expect(isRemembered(withUnknown(4_096), withUnknown(4_096))).toBe(false);
});

test("each model has its own memory", () => {
  const read = createPredictReplyReader({});
  const message = replyWith(float32Tensor([1], Float32Array.of(1)));
  const shapeFor = (name: string) => read(message, { name }).outputs.get("scores")?.shape;
  const shape = shapeFor("m");

  expect(shapeFor("other")).not.toBe(shape);
  expect(shapeFor("m")).toBe(shape);
});
