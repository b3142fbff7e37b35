import { expect, test } from "vitest";
import { callOf, checkpointFile, pickleOf } from "../../../../test/corpus/checkpoint-file.ts";
import { PickleError, readPickle } from "./pickle.ts";
import { readStateDict } from "./state-dict.ts";

const weights = { shape: [2, 3], values: [1, 2, 3, 4, 5, 6] };

test("tensors are read by their names, shapes and strides", () => {
  const file = checkpointFile({
    weights,
    // As a kernel that was transposed from TensorFlow's order.
    transposed: { ...weights, strides: [1, 2] },
    part: { shape: [2], values: [7, 8, 9], offset: 1 },
    single: { shape: [], values: [5] },
  });

  const tensors = readStateDict(file);

  expect([...tensors].map(([name, { shape, values }]) => [name, shape, [...values]])).toEqual([
    ["weights", [2, 3], [1, 2, 3, 4, 5, 6]],
    ["transposed", [2, 3], [1, 3, 5, 2, 4, 6]],
    ["part", [2], [8, 9]],
    ["single", [], [5]],
  ]);
});

test("a file that is cut off anywhere is refused", () => {
  const file = checkpointFile({ weights });

  for (let length = 0; length < file.length; length += 1) {
    expect(() => readStateDict(file.subarray(0, length))).toThrow(
      expect.objectContaining({ name: "CheckpointError" }),
    );
  }
});

test.each([
  { what: "a tensor beyond its storage", tensor: { shape: [7], values: [1, 2] } },
  { what: "an offset beyond it", tensor: { shape: [2], values: [1, 2], offset: 1 } },
  {
    what: "a stride that multiplies",
    tensor: { shape: [1_000_000_000], values: [1], strides: [0] },
  },
  { what: "an empty stride", tensor: { shape: [2], values: [1, 2], strides: [] } },
  { what: "a negative extent", tensor: { shape: [-1, -1], values: [1] } },
])("$what is refused", ({ tensor }) => {
  expect(() => readStateDict(checkpointFile({ tensor }))).toThrow(/storage|stride|shape/);
});

test("a ZIP archive and any other file are named", () => {
  expect(() => readStateDict(Buffer.from("PK\u0003\u0004"))).toThrow("PyTorch 1.6 or newer");
  expect(() => readStateDict(Buffer.from("<html>"))).toThrow("not a state dict of PyTorch");
});

test.each([
  { what: "a call", bytes: pickleOf(callOf("os", "system")), text: "os.system is not allowed" },
  { what: "a builtin", bytes: pickleOf(callOf("builtins", "eval")), text: "builtins.eval" },
  { what: "an object", bytes: pickleOf(Buffer.from("\u0081", "latin1")), text: "opcode 129" },
  { what: "an extension", bytes: pickleOf(Buffer.from([0x82, 1])), text: "opcode 130" },
  { what: "another protocol", bytes: Buffer.from([0x80, 4, 0x2e]), text: "protocol 4" },
  { what: "no value", bytes: pickleOf(), text: "no value" },
  { what: "a memo that is empty", bytes: pickleOf(Buffer.from("h\u0005")), text: "value 5" },
  { what: "items of a number", bytes: pickleOf(Buffer.from("K\u0001(u")), text: "no dictionary" },
])("$what in a pickle is refused", ({ bytes, text }) => {
  const calls = { functions: new Map(), names: new Set<string>(), persistent: () => null };

  expect(() => readPickle(bytes, 0, calls)).toThrow(PickleError);
  expect(() => readPickle(bytes, 0, calls)).toThrow(text);
});
