import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema } from "@tensorgate/proto/onnx/onnx";

/** Which fields of a message are kept, by their numbers: whole, or what is listed of a message inside. */
interface Kept {
  readonly [field: number]: "whole" | Kept;
}

/** Of `ModelProto`: no operators, and of the weights only where they are. */
const outline: Kept = {
  2: "whole",
  7: { 5: { 8: "whole", 13: "whole", 14: "whole" }, 11: "whole", 12: "whole" },
  8: "whole",
};

/** Longest tag and length of a field, in bytes: two varints. */
const maxHeadBytes = 20;

/** Most bytes of a field that is kept whole: names, types and shapes are far shorter. */
const maxKeptBytes = 1_048_576;

/**
 * Reads what an ONNX file says of its inputs, outputs, operator sets and files of weights, without reading the
 * weights: they may be gigabytes.
 *
 * @throws the system's error if the file cannot be read; Error if it is not an ONNX model, or is cut short
 */
export function readModelOutline(file: string): ModelProto {
  const descriptor = openSync(file, "r");
  try {
    const range = { start: 0, end: fstatSync(descriptor).size };
    return fromBinary(ModelProtoSchema, keptFields(descriptor, range, outline));
  } finally {
    closeSync(descriptor);
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function keptFields(descriptor: number, { start, end }: Range, kept: Kept): Buffer {
  const parts: Buffer[] = [];
  for (let at = start; at < end; ) {
    const head = read(descriptor, { start: at, end: Math.min(end, at + maxHeadBytes) });
    const field = fieldHead(head);
    const next = at + field.headBytes + field.valueBytes;
    if (next > end) throw new Error("the file is cut short");
    const wanted = kept[field.number];
    const isMessage = field.isLengthDelimited;
    if (wanted === "whole") {
      if (next - at > maxKeptBytes) throw new Error(`field ${field.number} is too long`);
      parts.push(read(descriptor, { start: at, end: next }));
    } else if (wanted && isMessage) {
      const inner = keptFields(descriptor, { start: at + field.headBytes, end: next }, wanted);
      parts.push(head.subarray(0, field.tagBytes), varint(inner.length), inner);
    }
    at = next;
  }
  return Buffer.concat(parts);
}

function read(descriptor: number, { start, end }: Range): Buffer {
  const bytes = Buffer.alloc(end - start);
  const count = readSync(descriptor, bytes, 0, bytes.length, start);
  if (count < bytes.length) throw new Error("the file became shorter while it was read");
  return bytes;
}

interface FieldHead {
  readonly number: number;
  readonly tagBytes: number;
  /** Of the tag, and of the length where there is one. */
  readonly headBytes: number;
  readonly valueBytes: number;
  readonly isLengthDelimited: boolean;
}

/** @see https://protobuf.dev/programming-guides/encoding */
function fieldHead(bytes: Buffer): FieldHead {
  const tag = readVarint(bytes, 0);
  const number = Math.floor(tag.value / 8);
  const tagBytes = tag.end;
  if (number === 0) throw new Error("field number 0");
  const fixed = { number, tagBytes, headBytes: tagBytes, isLengthDelimited: false };
  switch (tag.value % 8) {
    case 0:
      return { ...fixed, valueBytes: readVarint(bytes, tagBytes).end - tagBytes };
    case 1:
      return { ...fixed, valueBytes: 8 };
    case 5:
      return { ...fixed, valueBytes: 4 };
    case 2: {
      const { value: valueBytes, end: headBytes } = readVarint(bytes, tagBytes);
      return { number, tagBytes, headBytes, valueBytes, isLengthDelimited: true };
    }
    default:
      throw new Error(`unknown wire type ${tag.value % 8}`);
  }
}

function readVarint(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0;
  for (let at = start; at < start + 10; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) throw new Error("the file is cut short");
    value += (byte & 0x7f) * 2 ** (7 * (at - start));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw new Error("a varint of more than 10 bytes");
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
