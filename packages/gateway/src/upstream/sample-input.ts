import {
  bytesPerElement,
  bytesTensor,
  defaultSignatureName,
  fixedSizeTensor,
  type ModelMetadata,
  type Signature,
  scoredSignatureNames,
  type Tensor,
} from "@tensorgate/core";
import { declaredPixels } from "@tensorgate/tf-serving";
import { testPicture } from "./test-picture.ts";

/** A signature of a model, with its name. */
export interface NamedSignature {
  readonly name: string;
  readonly signature: Signature;
}

/** Names of signatures that take serialized examples rather than pictures, though both are strings. */
const exampleMethods: ReadonlySet<string> = new Set([
  "tensorflow/serving/classify",
  "tensorflow/serving/regress",
]);

/**
 * Lists the signatures that can be scored, the likeliest to take a picture first: `serving_default` before others, but
 * those that take a single image before the rest, and those that may take serialized examples last of these.
 */
export function rankedSignatures(
  signatures: ModelMetadata["signatures"],
): readonly NamedSignature[] {
  const all = scoredSignatureNames(signatures).flatMap((name) => {
    const signature = signatures.get(name);
    return signature ? [{ name, signature }] : [];
  });
  const rank = ({ name, signature }: NamedSignature): number => {
    const isDefault = name === defaultSignatureName ? 1 : 0;
    if (!sampleInput(signature)) return isDefault;
    return (exampleMethods.has(signature.methodName ?? "") ? 2 : 4) + isDefault;
  };
  return all.toSorted((a, b) => rank(b) - rank(a));
}

/** Maximum elements of a sample of pixels: 64 MiB. */
const maxSampleElements = 16_777_216;

/** Side of the square that is sent to a model which takes any size, in pixels. */
const openSidePx = 640;

export interface SampleInput {
  readonly input: string;
  readonly tensor: Tensor;
}

/** Creates a sample input: the test picture, or zeros as pixels. @returns undefined for other inputs, or several */
export function sampleInput({ inputs }: Signature): SampleInput | undefined {
  const [only, ...others] = inputs;
  if (!only || others.length > 0) return undefined;
  const [input, { dtype, shape }] = only;
  if (dtype === "BYTES") {
    const isScalar = shape?.length === 0;
    return { input, tensor: bytesTensor(isScalar ? [] : [1], [testPicture]) };
  }
  const pixels = declaredPixels({ dtype, shape });
  if (!pixels) return undefined;
  const { heightPx = openSidePx, widthPx = openSidePx, layout, channelCount } = pixels;
  const count = heightPx * widthPx * channelCount;
  if (Math.max(heightPx, widthPx) > 4_096 || count > maxSampleElements) return undefined;
  const inPlanes = layout.endsWith("chw");
  const extents = inPlanes ? [channelCount, heightPx, widthPx] : [heightPx, widthPx, channelCount];
  const zeros = new Uint8Array(count * bytesPerElement[pixels.dtype]);
  const sampleShape = layout.startsWith("n") ? [1, ...extents] : extents;
  return { input, tensor: fixedSizeTensor(pixels.dtype, sampleShape, zeros) };
}
