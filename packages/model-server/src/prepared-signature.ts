import type { DType, Preprocessing, Signature, Tensor, TensorInfo } from "@tensorgate/core";
import { exampleMethods, type FixedFeature } from "@tensorgate/tf-serving";
import {
  type ManifestFeature,
  type ManifestInput,
  type ManifestOutput,
  type ManifestSignature,
  ModelFolderError,
} from "./manifest.ts";
import { isWritten, writtenTensor } from "./manifest-values.ts";

/** An input of a signature, with the values of its manifest as tensors. */
export interface PreparedInput {
  readonly alias: string;
  readonly dtype: DType;
  readonly shape: readonly number[] | undefined;
  /** Name in the ONNX model. */
  readonly tensor: string;
  /** Name that metadata and messages show. */
  readonly graphName: string;
  readonly defaultValue: Tensor | undefined;
  readonly picture: { readonly tensor: string; readonly preprocessing: Preprocessing } | undefined;
  readonly examples:
    | {
        readonly features: ReadonlyMap<string, FixedFeature>;
        /** For each feature the name of its tensor in the ONNX model. */
        readonly tensors: ReadonlyMap<string, string>;
      }
    | undefined;
}

/** A signature as calls need it. */
export interface PreparedSignature {
  readonly signature: Signature;
  readonly inputs: ReadonlyMap<string, PreparedInput>;
  /** For each output its name in the ONNX model. */
  readonly outputs: ReadonlyMap<string, string>;
  /** Always fed, by their names in the ONNX model. */
  readonly constants: ReadonlyMap<string, Tensor>;
}

/** @throws ModelFolderError if the manifest writes values that are not of their type */
export function prepareSignature(
  name: string,
  { method = "predict", inputs, outputs, constants = {} }: ManifestSignature,
): PreparedSignature {
  try {
    const prepared = Object.entries(inputs).map(([alias, each]) => preparedInput(alias, each));
    const defaults = prepared.flatMap(({ alias, defaultValue }) =>
      defaultValue ? [[alias, defaultValue] as const] : [],
    );
    return {
      signature: {
        inputs: tensorInfos(inputs),
        outputs: tensorInfos(outputs),
        ...(defaults.length > 0 && { defaults: new Map(defaults) }),
        methodName: method === "predict" ? "tensorflow/serving/predict" : exampleMethods[method],
      },
      inputs: new Map(prepared.map((each) => [each.alias, each])),
      outputs: new Map(
        Object.entries(outputs).map(([alias, { tensor = alias }]) => [alias, tensor]),
      ),
      constants: new Map(
        Object.entries(constants).map(([tensor, { dtype, shape, values }]) => [
          tensor,
          writtenTensor(dtype, shape, values),
        ]),
      ),
    };
  } catch (cause) {
    const text = `manifest.json, signature ${name}: ${(cause as Error).message}`;
    throw new ModelFolderError(text, { cause });
  }
}

function tensorInfos(
  infos: Readonly<Record<string, ManifestInput | ManifestOutput>>,
): ReadonlyMap<string, TensorInfo> {
  return new Map(
    Object.entries(infos).map(([alias, { dtype, shape, graphName }]) => [
      alias,
      { dtype, shape, ...(graphName !== undefined && { graphName }) },
    ]),
  );
}

function preparedInput(alias: string, input: ManifestInput): PreparedInput {
  const { dtype, shape, tensor = alias, graphName = `${alias}:0`, picture, examples } = input;
  return {
    alias,
    dtype,
    shape,
    tensor,
    graphName,
    picture,
    defaultValue: defaultValueOf(alias, input),
    examples: examples && preparedExamples(examples),
  };
}

function defaultValueOf(
  alias: string,
  { dtype, default: written }: ManifestInput,
): Tensor | undefined {
  if (!written) return undefined;
  if (isWritten(dtype)) return writtenTensor(dtype, written.shape, written.values);
  throw new RangeError(`input ${alias}: a default cannot be written as ${dtype}`);
}

function preparedExamples(examples: Readonly<Record<string, ManifestFeature>>) {
  const entries = Object.entries(examples);
  return {
    features: new Map(
      entries.map(([name, { dtype, shape, default: values }]): [string, FixedFeature] => {
        const defaultValue = values && writtenTensor(dtype, shape, values);
        return [name, { dtype, shape, ...(defaultValue && { defaultValue }) }];
      }),
    ),
    tensors: new Map(entries.map(([name, { tensor = name }]) => [name, tensor])),
  };
}
