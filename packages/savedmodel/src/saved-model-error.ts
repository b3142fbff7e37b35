/** An operator without a conversion, or a use of one that has none, and the nodes where it is. */
export interface UnsupportedOperator {
  readonly op: string;
  /** What is not supported about it. */
  readonly reason: string;
  readonly nodes: readonly string[];
}

/**
 * - `unreadable`: a file is missing, damaged or not what it should be
 * - `too-large`: a limit is exceeded
 * - `unknown-name`: no signature, node or tensor has that name
 * - `unsupported`: the graph computes something that has no conversion
 * - `stateful`: the answers of the model depend on earlier calls
 */
export type SavedModelFault =
  | "unreadable"
  | "too-large"
  | "unknown-name"
  | "unsupported"
  | "stateful";

/** A model that cannot be read or converted, and why. */
export class SavedModelError extends Error {
  override readonly name = "SavedModelError";
  readonly fault: SavedModelFault;
  /** All of them, if operators are the reason. */
  readonly operators: readonly UnsupportedOperator[];

  constructor(
    fault: SavedModelFault,
    message: string,
    {
      operators = [],
      cause,
    }: { readonly operators?: readonly UnsupportedOperator[]; readonly cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.fault = fault;
    this.operators = operators;
  }
}
