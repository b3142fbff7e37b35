import { bytesPerElement, InvalidRequestError, type Tensor } from "@tensorgate/core";
import type { Datatype } from "../datatype.ts";
import type { InferRequest } from "../infer.ts";

/** The only input of a model, as its metadata has it; -1 stands for any extent. */
export interface RawInput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/**
 * Makes a request of a body that is nothing but the values of the only input (`Inference-Header-Content-Length: 0`): one
 * element of BYTES as it is, such as a picture, and otherwise the bytes of a tensor with at most one extent that the model
 * leaves open. All outputs come back as bytes.
 *
 * @throws InvalidRequestError if the bytes do not fill the shape, or it has several open extents
 */
export function rawInferRequest(body: Uint8Array, input: RawInput): InferRequest {
  const inputs = new Map([[input.name, rawTensor(body, input)]]);
  return { id: "", isBinaryOutput: true, inputs, outputs: [] };
}

function rawTensor(body: Uint8Array, { name, datatype, shape }: RawInput): Tensor {
  const fixed = shape.filter((extent) => extent !== -1);
  const fixedCount = fixed.reduce((all, extent) => all * extent, 1);
  const openCount = shape.length - fixed.length;
  if (datatype === "BYTES") {
    if (fixedCount === 1) return { dtype: datatype, shape: shape.map(() => 1), elements: [body] };
    throw unfit(name, `is BYTES of shape [${shape}]; a raw body is one element`);
  }
  if (openCount > 1) throw unfit(name, `has the shape [${shape}] with ${openCount} open extents`);
  const rowBytes = fixedCount * bytesPerElement[datatype];
  const openExtent = rowBytes === 0 ? 0 : body.byteLength / rowBytes;
  const rowCount = openCount === 0 ? 1 : openExtent;
  if (!Number.isInteger(rowCount) || rowCount * rowBytes !== body.byteLength) {
    throw unfit(
      name,
      `is ${datatype} of shape [${shape}], which ${body.byteLength} bytes do not fill`,
    );
  }
  const filled = shape.map((extent) => (extent === -1 ? rowCount : extent));
  return { dtype: datatype, shape: filled, data: body };
}

function unfit(name: string, why: string): InvalidRequestError {
  return new InvalidRequestError(`input "${name}" ${why}`, {
    field: name,
    hint: "send the shape in a JSON header, and its length in inference-header-content-length",
  });
}
