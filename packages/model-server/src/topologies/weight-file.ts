import { closeSync, openSync, writeSync } from "node:fs";
import type { ExternalPlace } from "../onnx/graph-builder.ts";
import { createSeededStream } from "./seeded-stream.ts";

/** What a tensor is filled with. */
export type Filling =
  /** Uniform in `[-limit, limit)`. */
  | { readonly kind: "uniform"; readonly limit: number }
  | { readonly kind: "constant"; readonly value: number };

/** Where the weights of a network go, tensor by tensor. */
export interface WeightSink {
  add(name: string, valueCount: number, filling: Filling): ExternalPlace;
  /** Floats that were added so far. */
  readonly valueCount: number;
}

/** Name of the file, beside the model. */
export const weightFileName = "weights.bin";

/** Memory-mapped by the engine, which wants each tensor at the beginning of a page. */
const pageBytes = 4_096;

/** Takes up no more memory than this at a time, whatever the size of a tensor. */
const chunkValues = 1 << 18;

/** Counts what it is given. */
export function createWeightCounter(): WeightSink {
  return sink(() => {});
}

/**
 * Creates a file that seeded weights are written to one after the other.
 *
 * @throws the system's error if the file cannot be written
 */
export function createWeightFile(path: string, seed: number): WeightSink & Disposable {
  const file = openSync(path, "w");
  const chunk = new Float32Array(chunkValues);
  const written = sink(({ name, valueCount, filling, offset }) => {
    const stream = createSeededStream(name, seed);
    for (let first = 0; first < valueCount; first += chunkValues) {
      const values = chunk.subarray(0, Math.min(chunkValues, valueCount - first));
      if (filling.kind === "uniform") stream.fill(values, filling.limit);
      else values.fill(filling.value);
      writeWhole(file, new Uint8Array(values.buffer, 0, values.byteLength), offset + first * 4);
    }
  });
  return {
    add: written.add,
    get valueCount() {
      return written.valueCount;
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

interface Tensor {
  readonly name: string;
  readonly valueCount: number;
  readonly filling: Filling;
  readonly offset: number;
}

function sink(write: (tensor: Tensor) => void): WeightSink {
  let end = 0;
  let total = 0;
  return {
    get valueCount() {
      return total;
    },
    add: (name, valueCount, filling) => {
      const offset = Math.ceil(end / pageBytes) * pageBytes;
      write({ name, valueCount, filling, offset });
      end = offset + valueCount * 4;
      total += valueCount;
      return { file: weightFileName, offset, byteLength: valueCount * 4 };
    },
  };
}

function writeWhole(file: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.byteLength) {
    done += writeSync(file, bytes, done, bytes.byteLength - done, position + done);
  }
}
