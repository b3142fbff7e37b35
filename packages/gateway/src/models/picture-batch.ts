import {
  bytesPerElement,
  bytesTensor,
  type Picture,
  type Tensor,
  UpstreamFailedError,
} from "@tensorgate/core";

/** Splits the pictures of a call into batches of `batchSize`, of which the last may be smaller. */
export function inBatches(
  pictures: readonly Picture[],
  batchSize: number,
): readonly (readonly Picture[])[] {
  return Array.from({ length: Math.ceil(pictures.length / batchSize) }, (_, batch) =>
    pictures.slice(batch * batchSize, (batch + 1) * batchSize),
  );
}

/** Stacks tensors of one picture each, of the same type and shape, into the tensor of a batch. */
export function stackedTensors(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (!first) throw new RangeError("there is nothing to stack");
  if (first.dtype === "BYTES") {
    const elements = tensors.flatMap((tensor) => (tensor.dtype === "BYTES" ? tensor.elements : []));
    return bytesTensor([elements.length], elements);
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
