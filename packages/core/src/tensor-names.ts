/** A way in which servers that answer `Predict` are spoken to; `@tensorgate/tf-serving` lists and explains them. */
export type Dialect = "tensorflow-serving" | "azure-fpga" | "azure-fpga-preview";

/** What one tensor is called here, and on the wire of each dialect. */
export interface TensorNames {
  /** In the catalog, in requests and in replies of ours. */
  readonly name: string;
  readonly on: Readonly<Record<Dialect, string>>;
  /** Further names under which a reply may bring it. */
  readonly pattern?: RegExp;
}

/** The tensors of a model that have a name of their own in some dialect; others keep theirs. */
export interface ModelTensorNames {
  readonly inputs: readonly TensorNames[];
  readonly outputs: readonly TensorNames[];
}
