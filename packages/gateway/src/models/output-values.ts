import {
  floatValues,
  isFloat,
  listedNames,
  type Tensor,
  UpstreamFailedError,
} from "@tensorgate/core";

/** @throws UpstreamFailedError that lists the outputs of the reply */
export function outputNamed(name: string, outputs: ReadonlyMap<string, Tensor>): Tensor {
  const tensor = outputs.get(name);
  if (tensor) return tensor;
  throw new UpstreamFailedError(`the model's response has no output "${name}"`, {
    hint: outputs.size === 0 ? "it has none" : `its outputs: ${listedNames(outputs.keys())}`,
  });
}

/**
 * Reads the floating-point values of one picture from an output, of any size and whatever axes of extent 1 it has. The only output of a reply is
 * the one that is meant, whatever its name.
 *
 * @param what - plural, for messages
 * @throws UpstreamFailedError if the output is missing, is not of floating-point numbers for one picture, or contains NaN
 */
export function valuesOfPicture(
  outputs: ReadonlyMap<string, Tensor>,
  { name, what }: { readonly name: string; readonly what: string },
): Float32Array {
  const [only] = outputs.values();
  const tensor = outputs.size === 1 && only ? only : outputNamed(name, outputs);
  const { dtype, shape } = tensor;
  let rows = 0;
  for (const extent of shape) if (extent !== 1) rows += 1;
  if (!isFloat(dtype) || rows > 1) {
    throw new UpstreamFailedError(
      `the model's ${what} are ${dtype} of shape [${shape}]; expected floating-point numbers for one picture`,
    );
  }
  const values = floatValues(tensor);
  let count = 0;
  // A plain loop: it runs for each of a thousand scores of every picture.
  for (let at = 0; at < values.length; at += 1) if (Number.isNaN(values[at])) count += 1;
  if (count === 0) return values;
  throw new UpstreamFailedError(
    `${count} of ${values.length} ${what} ${count === 1 ? "is" : "are"} NaN`,
  );
}
