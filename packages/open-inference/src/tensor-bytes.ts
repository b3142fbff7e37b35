import {
  bytesPerElement,
  bytesTensor,
  cutText,
  elementCount,
  InvalidRequestError,
  type Tensor,
  type WorkBudget,
} from "@tensorgate/core";
import { type Datatype, isDatatype } from "./datatype.ts";

/** What a tensor is to the model. */
export type TensorRole = "input" | "output";

/** Name, datatype and shape of a tensor, before its values. */
export interface TensorHead {
  readonly role: TensorRole;
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** Most axes of a tensor. */
const maxRank = 32;

/**
 * Checks what a message says of a tensor.
 *
 * @throws InvalidRequestError if the datatype is unknown, or an extent is not an integer from 0 to 2^53 - 1
 */
export function tensorHead(
  {
    name,
    datatype,
    shape,
  }: { readonly name: string; readonly datatype: string; readonly shape: readonly number[] },
  role: TensorRole = "input",
): TensorHead {
  const title = tensorTitle({ name, role });
  if (!isDatatype(datatype)) {
    throw new InvalidRequestError(`${title} has the unknown datatype "${cutText(datatype, 40)}"`, {
      field: name,
    });
  }
  if (shape.length > maxRank) {
    throw new InvalidRequestError(
      `${title} has ${shape.length} axes; at most ${maxRank} are supported`,
      { field: name },
    );
  }
  const wrong = shape.find((extent) => !Number.isSafeInteger(extent) || extent < 0);
  if (wrong !== undefined || !Number.isSafeInteger(elementCount(shape))) {
    throw new InvalidRequestError(
      `${title} has the shape [${shape}]; extents must be integers >= 0`,
      { field: name },
    );
  }
  return { role, name, datatype, shape };
}

/** What errors call a tensor. */
export function tensorTitle({ name, role }: Pick<TensorHead, "name" | "role">): string {
  return `${role} "${cutText(name, 80)}"`;
}

/**
 * Reads a tensor from its raw bytes: little-endian, row-major; of BYTES each element with its length, as 4 bytes, in
 * front. The values are views of `data`.
 *
 * @param budget - charged four elements for each element of BYTES
 * @throws InvalidRequestError if there are more or fewer bytes than the shape needs; TooLargeError where the budget ends
 */
export function tensorFromBytes(head: TensorHead, data: Uint8Array, budget: WorkBudget): Tensor {
  const { name, datatype, shape } = head;
  const count = elementCount(shape);
  if (datatype === "BYTES") {
    const elements = bytesElements(data, budget);
    if (elements?.length === count) return bytesTensor(shape, elements);
    throw new InvalidRequestError(
      `the ${data.byteLength} bytes of ${tensorTitle(head)} are not ${count} BYTES elements with their lengths in front`,
      { field: name },
    );
  }
  const byteCount = count * bytesPerElement[datatype];
  if (data.byteLength !== byteCount) {
    throw new InvalidRequestError(
      `${tensorTitle(head)} has ${data.byteLength} bytes; ${datatype} of shape [${shape}] needs ${byteCount}`,
      { field: name },
    );
  }
  return { dtype: datatype, shape, data };
}

const lengthBytes = 4;

/** What an element of BYTES costs of a budget: a view takes several times as long as a number. */
export const bytesElementCost = 4;

/** @returns undefined if the lengths do not fill the bytes exactly */
function bytesElements(data: Uint8Array, budget: WorkBudget): readonly Uint8Array[] | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  for (let at = 0; at < data.byteLength; ) {
    if (data.byteLength - at < lengthBytes) return undefined;
    budget.spend(bytesElementCost);
    const start = at + lengthBytes;
    at = start + view.getUint32(at, true);
    if (at > data.byteLength) return undefined;
    elements.push(data.subarray(start, at));
  }
  return elements;
}

/** The raw bytes of a tensor, one segment after the other; a picture among them is not copied. */
export function tensorSegments(tensor: Tensor): readonly Uint8Array[] {
  if (tensor.dtype !== "BYTES") return [tensor.data];
  const { elements } = tensor;
  const lengths = new Uint8Array(elements.length * lengthBytes);
  const view = new DataView(lengths.buffer);
  return elements.flatMap((element, index) => {
    const at = index * lengthBytes;
    view.setUint32(at, element.byteLength, true);
    return [lengths.subarray(at, at + lengthBytes), element];
  });
}
