import { closeSync, openSync, readFileSync, readSync, realpathSync, statSync } from "node:fs";
import { dirname, relative, sep } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import {
  bytesPerElement,
  createWorkBudget,
  elementCount,
  type FixedSizeTensor,
  isFixedSize,
} from "@tensorgate/core";
import {
  type BundleEntryProto,
  BundleEntryProtoSchema,
  BundleHeaderProtoSchema,
  BundleHeaderProto_Endianness as Endianness,
} from "@tensorgate/proto/tensorflow/tensor_bundle";
import { chargeMessage, dtypeByNumber } from "@tensorgate/tf-serving";
import { SavedModelError } from "../saved-model-error.ts";
import { maskedCrc32c } from "./crc32c.ts";
import { readTable } from "./sorted-table.ts";

/** A checkpoint in TensorFlow's form: an index, and files with the values. */
export interface Bundle {
  /** @returns undefined if the checkpoint has no tensor of that name */
  read(key: string): FixedSizeTensor | undefined;
}

/** The index has a hundred bytes for each variable; these are ten thousand times the largest of Keras. */
const maxIndexBytes = 268_435_456;
const maxEntries = 1_000_000;
/** Of one entry: its shape and its place. */
const maxEntryElements = 4_096;

/**
 * Opens the checkpoint of a SavedModel. Values are read when they are asked for, and their checksums compared.
 *
 * @param prefix - path without the endings of the files: `…/variables/variables`
 * @param maxBytes - most bytes of all values that are read: several entries may have the same ones
 * @throws SavedModelError if the index is missing or damaged
 */
export function openBundle(prefix: string, maxBytes: number): Bundle {
  let readBytes = 0;
  const index = `${prefix}.index`;
  const root = dirname(dirname(prefix));
  assertBelow(root, index);
  const entries = within(index, () => {
    if (statSync(index).size > maxIndexBytes) throw new Error("it is too large");
    const limits = { maxBlockBytes: maxIndexBytes, maxEntries };
    return new Map(readTable(readFileSync(index), limits).map(({ key, value }) => [key, value]));
  });
  // The entry without a name is of the bundle itself.
  const header = within(index, () =>
    fromBinary(BundleHeaderProtoSchema, entries.get("") ?? new Uint8Array()),
  );
  if (header.endianness !== Endianness.LITTLE) {
    throw new SavedModelError("unsupported", `${index}: the values are big-endian`);
  }

  return {
    read: (key) => {
      const encoded = key === "" ? undefined : entries.get(key);
      if (!encoded) return undefined;
      const entry = within(index, () => {
        chargeMessage(BundleEntryProtoSchema, encoded, createWorkBudget(maxEntryElements));
        return fromBinary(BundleEntryProtoSchema, encoded);
      });
      const shard = String(entry.shardId).padStart(5, "0");
      const file = `${prefix}.data-${shard}-of-${String(header.numShards).padStart(5, "0")}`;
      readBytes += Number(entry.size);
      if (readBytes > maxBytes) {
        throw new SavedModelError("too-large", `variables of more than ${maxBytes} bytes`);
      }
      return readValue({ root, file, key, entry });
    },
  };
}

interface Stored {
  readonly root: string;
  readonly file: string;
  readonly key: string;
  readonly entry: BundleEntryProto;
}

function readValue({ root, file, key, entry }: Stored): FixedSizeTensor {
  const fail = (text: string) => new SavedModelError("unreadable", `${file}: ${key}: ${text}`);
  const dtype = dtypeByNumber.get(entry.dtype);
  if (!dtype || !isFixedSize(dtype)) {
    throw new SavedModelError("unsupported", `variable ${key} has data type ${entry.dtype}`);
  }
  if (entry.slices.length > 0) {
    throw new SavedModelError("unsupported", `variable ${key} is stored in slices`);
  }
  const shape = entry.shape?.dim.map(({ size }) => Number(size)) ?? [];
  const [offset, size] = [Number(entry.offset), Number(entry.size)];
  if (shape.some((extent) => extent < 0) || offset < 0) throw fail("an impossible shape or place");
  if (elementCount(shape) * bytesPerElement[dtype] !== size) {
    throw fail(`${size} bytes for ${dtype} of shape [${shape}]`);
  }
  assertBelow(root, file);
  const data = within(file, () => readRange(file, { offset, size }));
  if (maskedCrc32c(data) !== entry.crc32c) throw fail("a wrong checksum");
  return { dtype, shape, data };
}

interface Range {
  readonly offset: number;
  readonly size: number;
}

function readRange(file: string, { offset, size }: Range): Uint8Array {
  const descriptor = openSync(file, "r");
  try {
    // Before memory is taken for it.
    if (offset + size > statSync(file).size) throw new Error("the file is cut short");
    const data = new Uint8Array(size);
    for (let done = 0; done < size; ) {
      // One read takes at most 2 GiB.
      const wanted = Math.min(size - done, 2 ** 30);
      const count = readSync(descriptor, data, done, wanted, offset + done);
      if (count === 0) throw new Error("the file is cut short");
      done += count;
    }
    return data;
  } finally {
    closeSync(descriptor);
  }
}

/** A model from elsewhere must not have other files of the machine read, by a link. */
function assertBelow(root: string, file: string): void {
  const way = within(file, () => relative(realpathSync(root), realpathSync(file)));
  if (way === ".." || way.startsWith(`..${sep}`)) {
    throw new SavedModelError("unreadable", `${file} links to a file outside of ${root}`);
  }
}

function within<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof SavedModelError) throw cause;
    throw new SavedModelError("unreadable", `${file}: ${(cause as Error).message}`, { cause });
  }
}
