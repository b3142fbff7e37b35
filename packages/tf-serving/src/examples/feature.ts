import type { WorkBudget } from "@tensorgate/core";
import { fieldTag, joined, MalformedMessageError, MessageReader, wireType } from "@tensorgate/core";

/** The values of one feature of a `tensorflow.Example`. */
export type FeatureValues =
  | { readonly dtype: "BYTES"; readonly count: number; readonly values: readonly Uint8Array[] }
  | {
      readonly dtype: "FP32" | "INT64";
      readonly count: number;
      /** Little-endian elements. */
      readonly values: Uint8Array;
    };

type ReadList = (message: Uint8Array, elements: WorkBudget) => FeatureValues;

const readers: ReadonlyMap<number, ReadList> = new Map([
  [fieldTag(1), readBytesList],
  [fieldTag(2), readFloatList],
  [fieldTag(3), readInt64List],
]);

/**
 * Reads a `tensorflow.Feature`; of several lists the last one counts.
 *
 * @returns undefined for a feature of no kind, which TensorFlow treats as missing
 * @throws MalformedMessageError, TooLargeError
 */
export function readFeature(message: Uint8Array, elements: WorkBudget): FeatureValues | undefined {
  let found: FeatureValues | undefined;
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    const read = readers.get(reader.tag);
    const bytes = reader.bytes();
    if (read) found = read(bytes, elements);
  }
  return found;
}

function readBytesList(message: Uint8Array, elements: WorkBudget): FeatureValues {
  const values: Uint8Array[] = [];
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.tag === fieldTag(1)) values.push(reader.bytes());
    else reader.skip();
  }
  return { dtype: "BYTES", count: values.length, values };
}

/** Values are packed, or one by one, as old writers have them. */
function readFloatList(message: Uint8Array, elements: WorkBudget): FeatureValues {
  const chunks: Uint8Array[] = [];
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    const isValue = reader.tag === fieldTag(1) || reader.tag === fieldTag(1, wireType.fixed32);
    const bytes = reader.bytes();
    if (!isValue) continue;
    if (bytes.byteLength % 4 !== 0) throw new MalformedMessageError("floats that are cut short");
    chunks.push(bytes);
  }
  const values = joined(chunks);
  return { dtype: "FP32", count: values.byteLength / 4, values };
}

function readInt64List(message: Uint8Array, elements: WorkBudget): FeatureValues {
  const integers: bigint[] = [];
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.tag === fieldTag(1, wireType.varint)) integers.push(reader.int64());
    else if (reader.tag === fieldTag(1)) {
      const packed = new MessageReader(reader.bytes());
      while (!packed.isAtEnd) integers.push(packed.int64());
    } else reader.skip();
  }
  const values = new Uint8Array(BigInt64Array.from(integers).buffer);
  return { dtype: "INT64", count: integers.length, values };
}
