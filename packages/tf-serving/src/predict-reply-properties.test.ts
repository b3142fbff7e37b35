import { isDeepStrictEqual } from "node:util";
import {
  bytesPerElement,
  bytesTensor,
  type DialectNames,
  type FixedSizeDType,
  fieldTag,
  fixedSizeTensor,
  joined,
  MessageWriter,
  type ModelSpec,
  type Tensor,
  wireType,
} from "@tensorgate/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { predictResponseSegments } from "./predict.ts";
import { createPredictReplyReader, scoreResponseFromPredictResponse } from "./predict-reply.ts";
import { createTensorBudget, tensorProtoWriter } from "./tensor-proto.ts";
import { tensorProtoField, valueFields } from "./tensor-proto-fields.ts";

const limits = { maxElements: 60, maxValueBytes: 500 };
const names: DialectNames = {
  inputs: new Map(),
  outputs: new Map([["scores", "wire:0"]]),
  canonicalOutputs: new Map([
    ["wire:0", "scores"],
    ["wire:1", "scores"],
  ]),
  patterns: [{ pattern: /^odd/, name: "features" }],
};

interface Asked {
  readonly asked: ModelSpec;
  readonly names?: DialectNames | undefined;
}

/** What comes of reading a reply: a response, with the places of its values, or an error. */
function outcomeOf(read: () => ReturnType<typeof scoreResponseFromPredictResponse>): unknown {
  try {
    const response = read();
    const places = [...response.outputs.values()].map((tensor) =>
      tensor.dtype === "BYTES" ? [] : [tensor.data.buffer, tensor.data.byteOffset],
    );
    return { response, names: [...response.outputs.keys()], places };
  } catch (thrown) {
    return { thrown: String(thrown) };
  }
}

/** Whether a reader that may remember other replies reads this one as one that remembers nothing. */
function isReadAlike(
  read: ReturnType<typeof createPredictReplyReader>,
  message: Uint8Array,
  { asked, names }: Asked,
): boolean {
  const budget = createTensorBudget(limits);
  return isDeepStrictEqual(
    outcomeOf(() => read(message, asked, names)),
    outcomeOf(() => scoreResponseFromPredictResponse(message, { asked, names, budget })),
  );
}

const dtypes = Object.keys(bytesPerElement) as readonly FixedSizeDType[];
const outputNames = ["scores", "wire:0", "wire:1", "odd", "odder", "features", ""];

const fixedTensor: fc.Arbitrary<Tensor> = fc
  .tuple(
    fc.oneof(fc.constantFrom(...dtypes), fc.constantFrom<FixedSizeDType>("FP32", "FP64")),
    fc.array(fc.constantFrom<number>(0, 1, 1, 2, 2, 3), { maxLength: 3 }),
    fc.integer({ min: 0, max: 3 }),
  )
  .map(([dtype, shape, fill]) => {
    const count = shape.reduce((product, extent) => product * extent, 1);
    const data = new Uint8Array(count * bytesPerElement[dtype]);
    return fixedSizeTensor(dtype, shape, dtype === "BOOL" ? data.fill(fill & 1) : data.fill(fill));
  });

const stringTensor = fc
  .array(fc.uint8Array({ maxLength: 4 }), { maxLength: 3 })
  .map((elements) => bytesTensor([elements.length], elements));

/** Fields that servers do not send, but might: values unpacked, in another layout, or beside others. */
const strayField = fc
  .tuple(
    fc.constantFrom(
      ...Object.values(valueFields).map(({ number }) => number),
      tensorProtoField.tensorContent,
      tensorProtoField.dtype,
      15,
    ),
    fc.constantFrom(wireType.varint, wireType.fixed32, wireType.fixed64, wireType.lengthDelimited),
    fc.constantFrom(
      [1],
      [0x81, 1],
      [0x81, 0x81, 0x81, 1],
      [0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 1],
    ),
  )
  .map(([number, type, varint]) => {
    const field = new MessageWriter().varint(fieldTag(number, type));
    if (type === wireType.lengthDelimited) field.varint(varint.length);
    const bytes =
      type === wireType.fixed32
        ? [1, 2, 3, 4]
        : type === wireType.fixed64
          ? [1, 2, 3, 4, 5, 6, 7, 8]
          : varint;
    return Buffer.concat([joined(field.finish()), Uint8Array.from(bytes)]);
  });

const tensorMessage = fc
  .tuple(
    fc.oneof({ weight: 5, arbitrary: fixedTensor }, { weight: 1, arbitrary: stringTensor }),
    fc.constantFrom("values" as const, "content" as const),
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(strayField, { maxLength: 2 })),
    fc.boolean(),
  )
  .map(([tensor, encoding, strays, isBare]) => {
    const written =
      isBare && tensor.dtype !== "BYTES" ? { ...tensor, data: new Uint8Array() } : tensor;
    return Buffer.concat([joined(tensorProtoWriter(written, encoding).finish()), ...strays]);
  });

const entry = fc
  .tuple(fc.constantFrom(...outputNames), fc.array(tensorMessage, { minLength: 1, maxLength: 2 }))
  .map(([name, tensors]) => {
    const writer = new MessageWriter().stringField(1, name);
    for (const tensor of tensors) writer.bytesField(2, tensor);
    return joined(new MessageWriter().messageField(1, writer).finish());
  });

const modelSpec = fc
  .tuple(fc.constantFrom("", "m", "other"), fc.option(fc.bigInt({ min: 0n, max: 300n })))
  .map(([name, version]) =>
    joined(
      predictResponseSegments({ model: { name, version: version ?? 0n }, outputs: new Map() }),
    ),
  );

const stray = fc.constantFrom(
  Uint8Array.of(0x78, 5),
  Uint8Array.of(0x12, 0),
  Uint8Array.of(0x0a, 0),
);

const reply = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: entry },
      { weight: 1, arbitrary: modelSpec },
      { weight: 1, arbitrary: stray },
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => Buffer.concat(parts));

const asking: fc.Arbitrary<Asked> = fc.record({
  asked: fc.constantFrom<ModelSpec>({ name: "m" }, { name: "m", version: 7n }),
  names: fc.constantFrom(undefined, names, { ...names, canonicalOutputs: new Map() }),
});

// What is the same in two replies, and in what they may differ, is found by their bytes alone: so any byte is changed.

test("a reply is read as without a memory, whatever byte of it differs from the last one", () => {
  fc.assert(
    fc.property(
      reply,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 40 }),
      asking,
      (message, changes, asked) => {
        const read = createPredictReplyReader(limits);
        expect(isReadAlike(read, message, asked)).toBe(true);
        for (const [place, change] of changes) {
          const changed = Buffer.from(message);
          const at = place % message.length;
          changed[at] = (changed[at] as number) ^ change;
          expect(isReadAlike(read, changed, asked)).toBe(true);
          expect(isReadAlike(read, message, asked)).toBe(true);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("replies of any kinds after each other are read as without a memory", () => {
  fc.assert(
    fc.property(
      fc.array(reply, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(), asking), { minLength: 20 }),
      (messages, calls) => {
        const read = createPredictReplyReader(limits);
        for (const [which, asked] of calls) {
          const message = messages[which % messages.length] as Uint8Array;
          expect(isReadAlike(read, message, asked)).toBe(true);
        }
      },
    ),
    { numRuns: 500 },
  );
});
