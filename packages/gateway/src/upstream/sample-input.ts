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

/** A JPEG of 96 × 96 pixels, an orange disc before a sky, drawn for trying a model out. */
export const testPicture: Uint8Array = Buffer.from(
  [
    "/9j/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBD",
    "AQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAARCABgAGAD",
    "ASIAAhEBAxEB/8QAGwAAAwEBAQEBAAAAAAAAAAAAAAIDBQQGAQf/xAAzEAACAgIBAgIHBQkAAAAAAAAAAQISAxEEBSExQQYyUWFx",
    "kbEUIoGh0SM0QlJTYnOSwf/EABoBAAIDAQEAAAAAAAAAAAAAAAAFAgMEAQb/xAAiEQACAwEAAgICAwAAAAAAAAAAAQIDEQQhMUFR",
    "EpFhcYH/2gAMAwEAAhEDEQA/AP0CwWJ2CxPDhSwWJ2CwYBSwWJ2CwYBSwWJ2CwYBSwWJ2CwYBSwWJ2CwYBOwWJWCxbgFbBYlY811",
    "bquTkZZYMEnHDFtNxfr+XyKrrY1R1ltNMrZYjW5fXeNgk4Yk80kl3i1X5nA/SDlOTriwqO+yabf1MVDoVT6rZPw8GceWuK9abC69",
    "y/6eH/V/qd/G63hyyUcsHibet73FfFnm0OiEeu2L96RnzVtej2cZqUVKLTTW015n2x5ngc7JxZpNuWLzjvw+B6FTUknFpp900Nee",
    "+Ny1exdbU635K2CxKwWNGFRPYbJbDZbhw4eu8t4OGscJJSzNxe1/Drv/AM+Z5tGn6QSb5uOO3pY9pfizMQk7JOVrX0O+SCjUn9jo",
    "dCIdGJlzHQ6EQ6IMgx0a/Sc7cJYZP1e8e3l5mQjr6e2uXDT1ve/kX8k3C6OfPj9ma+KlBm7sNkths9JgqJ7DZPYbLMOGL1175sP8",
    "a+rM9Gz1jC8uCOSKbeN99ex+L/JGMhB2wcbnvyPOSalSs+B0OhEOjEy5jodCIdEGQY6Org/vUPx+hyo7uBBq2Rprtpe8v463O+KX",
    "3v6M18lGDNHYbJ7DZ6jBSSsFidgsW4cKPUk1JJp9mmYnM4suPlbS/Zyf3X7Pca9j42mmmtp+KZm6eWN8cfhmijodMtXowkOjty8C",
    "LbeGVf7X+pH7JnT1Tfv2hDbxXwefjv8AXkaR6aprdJodDrjZv5PzRfHxNNPJJfBEIcV83ii/98EZ9FcVuk8OKWWWl4eb9hpR1GKj",
    "FaSJx1GKjFaSPth7x8UeeP22LLrnY/4KWCxOwWNuFBOwWJWCxZgFbBYlYLBgFbBYlYLBgFbBYlYLBgFbBYlYLBgFbBYlYLBgH//Z",
  ].join(""),
  "base64",
);
