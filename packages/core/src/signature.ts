import type { DType } from "./dtype.ts";

/** What a signature says of one tensor. */
export interface TensorInfo {
  readonly dtype: DType;
  /** -1 stands for any extent; undefined for an unknown rank. */
  readonly shape: readonly number[] | undefined;
}

/** Named inputs and outputs of a model. */
export interface Signature {
  readonly inputs: ReadonlyMap<string, TensorInfo>;
  readonly outputs: ReadonlyMap<string, TensorInfo>;
}
