import { bytesPerElement, bytesTensor, type Tensor, UpstreamFailedError } from "@tensorgate/core";

/** Splits what is done for the pictures of a call into batches of `batchSize`, of which the last may be smaller. */
export function inBatches<Item>(
  items: readonly Item[],
  batchSize: number,
): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / batchSize) }, (_, batch) =>
    items.slice(batch * batchSize, (batch + 1) * batchSize),
  );
}

/** Stacks tensors of one picture each, of the same type and shape, into the tensor of a batch. */
export function stackedTensors(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (!first) throw new RangeError("there is nothing to stack");
  if (first.dtype === "BYTES") {
    const elements = tensors.flatMap((tensor) => (tensor.dtype === "BYTES" ? tensor.elements : []));
    return bytesTensor([tensors.length, ...first.shape.slice(1)], elements);
  }
  const data = new Uint8Array(first.data.byteLength * tensors.length);
  tensors.forEach((tensor, row) => {
    if (tensor.dtype === first.dtype) data.set(tensor.data, row * first.data.byteLength);
  });
  return { dtype: first.dtype, shape: [tensors.length, ...first.shape.slice(1)], data };
}

/**
 * Splits the outputs of a batch into those of each picture, which view them.
 *
 * @throws UpstreamFailedError if an output has not a row for each picture
 */
export function outputsPerPicture(
  outputs: ReadonlyMap<string, Tensor>,
  count: number,
): readonly ReadonlyMap<string, Tensor>[] {
  return Array.from(
    { length: count },
    (_, row) =>
      new Map([...outputs].map(([name, tensor]) => [name, rowOf(tensor, { name, row, count })])),
  );
}

interface Row {
  readonly name: string;
  readonly row: number;
  readonly count: number;
}

function rowOf(tensor: Tensor, { name, row, count }: Row): Tensor {
  const [rows, ...rest] = tensor.shape;
  if (rows !== count) {
    throw new UpstreamFailedError(
      `output "${name}" has shape [${tensor.shape}]; expected one row for each of ${count} pictures`,
    );
  }
  const size = rest.reduce((product, extent) => product * extent, 1);
  const shape = [1, ...rest];
  if (tensor.dtype === "BYTES") {
    return { dtype: "BYTES", shape, elements: tensor.elements.slice(row * size, (row + 1) * size) };
  }
  const bytes = size * bytesPerElement[tensor.dtype];
  const { dtype, data } = tensor;
  return { dtype, shape, data: data.subarray(row * bytes, (row + 1) * bytes) };
}

/**
 * Stacks the outputs of several pictures, which have a row each, into those of a batch; of one picture as they are.
 *
 * @throws UpstreamFailedError if an output has no such rows, or rows of different shapes or types
 */
export function stackedRows(
  rows: readonly ReadonlyMap<string, Tensor>[],
): ReadonlyMap<string, Tensor> {
  const [first] = rows;
  if (!first || rows.length === 1) return first ?? new Map();
  return new Map(
    [...first].map(([name, { dtype, shape }]) => {
      const tensors = rows.flatMap((row) => row.get(name) ?? []);
      const isAlike = (tensor: Tensor) =>
        tensor.dtype === dtype && tensor.shape.join() === shape.join();
      if (shape[0] === 1 && tensors.length === rows.length && tensors.every(isAlike)) {
        return [name, stackedTensors(tensors)];
      }
      const shapes = tensors.slice(0, 3).map((tensor) => `${tensor.dtype} [${tensor.shape}]`);
      throw new UpstreamFailedError(
        `the outputs "${name}" of ${rows.length} pictures cannot be stacked: ${shapes.join(", ")}`,
        { hint: "send one picture a call" },
      );
    }),
  );
}

/**
 * Maps `items`, at most `maxConcurrent` at a time, keeping their order.
 *
 * @throws what the first failing `map` threw; no further items are started then
 */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  maxConcurrent: number,
  map: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const waiting = items.entries();
  let hasFailed = false;

  async function worker(): Promise<void> {
    for (const [index, item] of waiting) {
      if (hasFailed) return;
      try {
        results[index] = await map(item);
      } catch (thrown) {
        hasFailed = true;
        throw thrown;
      }
    }
  }

  const workers = Array.from({ length: Math.min(maxConcurrent, items.length) }, worker);
  await Promise.all(workers);
  return results;
}
