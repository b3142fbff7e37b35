import type { DType } from "./dtype.ts";
import type { AnsweringModel } from "./model-spec.ts";
import type { Tensor } from "./tensor.ts";

/** What a signature says of one tensor. */
export interface TensorInfo {
  readonly dtype: DType;
  /** -1 stands for any extent; undefined for an unknown rank. */
  readonly shape: readonly number[] | undefined;
  /** Its name in the graph behind the signature, such as `Placeholder:0`; empty if it has none, absent if unknown. */
  readonly graphName?: string;
}

/** Named inputs and outputs of a model. */
export interface Signature {
  readonly inputs: ReadonlyMap<string, TensorInfo>;
  readonly outputs: ReadonlyMap<string, TensorInfo>;
  /** Values of inputs that a request may leave out. */
  readonly defaults?: ReadonlyMap<string, Tensor>;
  /** What the server calls the kind of signature, such as `tensorflow/serving/predict`. */
  readonly methodName?: string;
}

/** How a server describes a model that it serves. */
export interface ModelMetadata {
  /** The signatures as a server of TensorFlow's encoded them, with whatever is not in `signatures`. */
  readonly encodedSignatures?: Uint8Array;
  /** JSON by which a model server of ours describes the model: preprocessing, labels, what the outputs hold. */
  readonly manifest?: string;
  /** The version described; 0 if the server has no versions or does not say which. */
  readonly model: AnsweringModel;
  /** By name. Tensors whose dtype no request can have are left out. */
  readonly signatures: ReadonlyMap<string, Signature>;
}

/** Name of the signature that a call without a name gets. */
export const defaultSignatureName = "serving_default";

/** Signature of TensorFlow 2 that initializes a model, and scores nothing. */
const initSignatureName = "__saved_model_init_op";

/** Names of the signatures that can be scored. */
export function scoredSignatureNames(signatures: ModelMetadata["signatures"]): readonly string[] {
  return [...signatures.keys()].filter((name) => name !== initSignatureName);
}

/**
 * Returns the signature that a call without a signature name uses: that of the configuration, `serving_default`, or else
 * the first.
 *
 * @param configured - name in the configuration
 */
export function defaultSignature(
  { signatures }: Pick<ModelMetadata, "signatures">,
  configured?: string,
): Signature | undefined {
  const [first = ""] = scoredSignatureNames(signatures);
  const byName = configured === undefined ? undefined : signatures.get(configured);
  return byName ?? signatures.get(defaultSignatureName) ?? signatures.get(first);
}
