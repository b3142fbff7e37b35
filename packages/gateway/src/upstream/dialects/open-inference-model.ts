import {
  type BytesTensor,
  bytesTensor,
  cutText,
  InvalidRequestError,
  listedNames,
  type ModelSpec,
  type Signature,
  type Tensor,
  type TensorInfo,
  UnknownVersionError,
} from "@tensorgate/core";
import { isDatatype } from "@tensorgate/open-inference";
import type {
  ModelMetadataResponse,
  ModelMetadataResponse_TensorMetadata as TensorMetadata,
} from "@tensorgate/proto/inference/open_inference";

/** What a server of the Open Inference Protocol said of a model. */
export interface KnownModel {
  /** As the server writes them; empty if it has none, or does not say. */
  readonly versions: readonly string[];
  /** Without tensors if the model's author described none. */
  readonly signature: Signature;
}

export function knownModel({ versions, inputs, outputs }: ModelMetadataResponse): KnownModel {
  return {
    versions,
    signature: {
      methodName: "tensorflow/serving/predict",
      inputs: tensorInfos(inputs),
      outputs: tensorInfos(outputs),
    },
  };
}

function tensorInfos(tensors: readonly TensorMetadata[]): ReadonlyMap<string, TensorInfo> {
  return new Map(
    tensors.flatMap(({ name, datatype, shape }) =>
      isDatatype(datatype) ? [[name, { dtype: datatype, shape: shapeOf(shape) }] as const] : [],
    ),
  );
}

/** No server has scalars: a shape without axes is one that the model's author left out. */
function shapeOf(shape: readonly bigint[]): readonly number[] | undefined {
  if (shape.length === 0) return undefined;
  return shape.map((extent) => (extent < 0n ? -1 : Number(extent)));
}

/** Versions that are numbers, as the rest of the gateway has them. */
export function numberedVersions({ versions }: KnownModel): readonly bigint[] {
  return versions.flatMap((text) => versionNumber(text) ?? []);
}

const maxVersion = 2n ** 63n - 1n;

/** @returns undefined for any other text: versions of the protocol are texts */
export function versionNumber(text: string): bigint | undefined {
  if (!/^\d{1,19}$/.test(text)) return undefined;
  const version = BigInt(text);
  return version <= maxVersion ? version : undefined;
}

/**
 * The version as a request names it; empty for the one that the server picks.
 *
 * @param known - undefined if the server has not described the model: it decides then
 * @throws UnknownVersionError if the server does not list it: one that has no versions scores with whatever it has
 */
export function askedVersion(
  { name, version, versionLabel }: ModelSpec,
  known: KnownModel | undefined,
): string {
  const asked = versionLabel ?? version?.toString() ?? "";
  if (asked === "" || known?.versions.includes(asked)) return asked;
  if (!known && versionLabel === undefined) return asked;
  const listed = known?.versions.slice(0, 8).join(", ");
  throw new UnknownVersionError(`model "${name}" has no version ${cutText(asked, 40)}`, {
    hint: listed ? `versions: ${listed}` : "its server has no versions; omit the version",
  });
}

export interface InputChecks {
  /** Name of the input that takes encoded pictures by the configuration, whatever the server says of it. */
  readonly encodedInput: string | undefined;
  /** Whether a request may leave inputs out; only Triton's models have such, and its metadata do not say which. */
  readonly mayOmitInputs: boolean;
}

/**
 * Checks the inputs of a request against what the server said of the model, and gives BYTES the rank that it asks for.
 * Some servers end at shapes that they should refuse, some compute on values of another type, and some blame themselves
 * for a mistake of the request.
 *
 * @param inputs - by their names on the wire
 * @throws InvalidRequestError for an input that the model does not take
 */
export function fittedInputs(
  inputs: ReadonlyMap<string, Tensor>,
  { signature }: KnownModel,
  { encodedInput, mayOmitInputs }: InputChecks,
): ReadonlyMap<string, Tensor> {
  const { inputs: infos } = signature;
  if (infos.size === 0) return inputs;
  const missing = [...infos.keys()].find((name) => !inputs.has(name));
  if (missing !== undefined && !mayOmitInputs) {
    throw new InvalidRequestError(`input "${cutText(missing, 80)}" is missing`, {
      field: missing,
      hint: `inputs: ${listedNames([...infos.keys()])}`,
    });
  }
  return new Map(
    [...inputs].map(([name, tensor]) => {
      const info = infos.get(name);
      if (!info) {
        throw new InvalidRequestError(`the model has no input "${cutText(name, 80)}"`, {
          field: name,
          hint: `inputs: ${listedNames([...infos.keys()])}`,
        });
      }
      return [name, fitted({ name, tensor, info, isEncoded: name === encodedInput })];
    }),
  );
}

interface CheckedInput {
  readonly name: string;
  readonly tensor: Tensor;
  readonly info: TensorInfo;
  /** Whether it is an encoded picture by the configuration. */
  readonly isEncoded: boolean;
}

function fitted({ name, tensor, info, isEncoded }: CheckedInput): Tensor {
  const { dtype, shape } = info;
  if (tensor.dtype !== dtype) {
    // OpenVINO's server describes pixels, and decodes a picture that comes in their place.
    if (isEncoded && tensor.dtype === "BYTES") return tensor;
    throw new InvalidRequestError(
      `input "${cutText(name, 80)}" has the datatype ${tensor.dtype}; the model takes ${dtype}`,
      { field: name },
    );
  }
  if (!shape || isOfShape(tensor.shape, shape)) return tensor;
  const reshaped = tensor.dtype === "BYTES" ? withRankOf(tensor, shape) : undefined;
  if (reshaped) return reshaped;
  throw new InvalidRequestError(
    `input "${cutText(name, 80)}" has the shape [${tensor.shape}]; the model takes [${shape}]`,
    { field: name, ...(isTransposed(tensor.shape, shape) && { hint: layoutHint }) },
  );
}

const layoutHint =
  "the axes are in another order; `input.layout` of the model's configuration says which";

function isOfShape(shape: readonly number[], expected: readonly number[]): boolean {
  return (
    shape.length === expected.length &&
    expected.every((extent, axis) => extent === -1 || extent === shape[axis])
  );
}

/** Texts and pictures in a batch: `[n]` for a server that asks for `[n,1]`, or the other way round. */
function withRankOf(
  { elements }: BytesTensor,
  expected: readonly number[],
): BytesTensor | undefined {
  const shape = expected.map((_, axis) => (axis === 0 ? elements.length : 1));
  return isOfShape(shape, expected) ? bytesTensor(shape, elements) : undefined;
}

function isTransposed(shape: readonly number[], expected: readonly number[]): boolean {
  const sorted = (extents: readonly number[]) => String(extents.slice(1).toSorted((a, b) => a - b));
  return shape.length === expected.length && sorted(shape) === sorted(expected);
}

/** @throws InvalidRequestError if the server said which outputs the model has, and one that is asked for is not there */
export function assertOutputs(names: readonly string[], { signature }: KnownModel): void {
  const { outputs } = signature;
  const unknown = names.find((name) => !outputs.has(name));
  if (unknown === undefined || outputs.size === 0) return;
  throw new InvalidRequestError(`the model has no output "${cutText(unknown, 80)}"`, {
    field: unknown,
    hint: `outputs: ${listedNames([...outputs.keys()])}`,
  });
}
