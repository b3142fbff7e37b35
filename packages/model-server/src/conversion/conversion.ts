import type { DType, Preprocessing } from "@tensorgate/core";
import type { ConversionLimits } from "@tensorgate/savedmodel";
import type { PreprocessingCheck } from "./compared-preprocessing.ts";

/** What a conversion to ONNX is asked for. */
export interface ConversionOptions {
  /** Signature to convert; the usual one by default. */
  readonly signature?: string | undefined;
  /** Tensors of the graph that are fed, such as `Placeholder:0`; those of the signature by default. */
  readonly inputs?: readonly string[] | undefined;
  /** Tensors of the graph that are computed; those of the signature by default. */
  readonly outputs?: readonly string[] | undefined;
  /** Class names in the order of the scores. */
  readonly labels?: readonly string[] | undefined;
  readonly limits?: ConversionLimits | undefined;
  /** A picture to try the converted model with, if it takes pictures; a drawn one by default. */
  readonly picture?: Uint8Array | undefined;
}

/** What a conversion found; plain values, since it comes from another process. */
export interface ConversionResult {
  readonly nodeCount: number;
  /** Numbers in the weights. */
  readonly parameterCount: number;
  readonly inputs: readonly ConversionTensor[];
  readonly outputs: readonly ConversionTensor[];
  /** How pictures are prepared, where the graph did it itself. */
  readonly preprocessing?: Preprocessing | undefined;
  /** How near that is to what the graph does. */
  readonly preprocessingCheck?: PreprocessingCheck | undefined;
  readonly warnings: readonly string[];
}

export interface ConversionTensor {
  /** In the signature. */
  readonly name: string;
  /** In the graph. */
  readonly graphName: string;
  readonly dtype: DType;
  /** -1 for an open extent; absent for an unknown rank. */
  readonly shape?: readonly number[] | undefined;
}
