/** A way in which model servers are spoken to; `@tensorgate/tf-serving` lists and explains them. */
export type Dialect = "tensorflow-serving" | "azure-fpga" | "azure-fpga-preview" | "open-inference";

/** A dialect of servers that answer `Predict`. */
export type ServingDialect = Exclude<Dialect, "open-inference">;

/** What one tensor is called here, and on the wire of each dialect. */
export interface TensorNames {
  /** In the catalog, in requests and in replies of ours. */
  readonly name: string;
  readonly on: Readonly<Record<Dialect, string>>;
  /** Further names under which a reply may bring it. */
  readonly pattern?: RegExp;
}

/** The tensors of a model that have their own name in some dialect; others keep theirs. */
export interface ModelTensorNames {
  readonly inputs: readonly TensorNames[];
  readonly outputs: readonly TensorNames[];
}

/** What the tensors of a model are called on the wire of one dialect, and back. Names that are not listed stay as they are. */
export interface DialectNames {
  /** Names on the wire by each name that a caller may use. */
  readonly inputs: ReadonlyMap<string, string>;
  readonly outputs: ReadonlyMap<string, string>;
  /** Our names of outputs by their names on the wire. */
  readonly canonicalOutputs: ReadonlyMap<string, string>;
  /** Our names of outputs that a reply may bring under further names. */
  readonly patterns: readonly { readonly pattern: RegExp; readonly name: string }[];
}
