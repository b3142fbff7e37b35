import { createWorkBudget, type WorkBudget } from "@tensorgate/core";

/** A `TensorProto` that TensorFlow would refuse to parse, or that would be too large. */
export class TensorParsingError extends Error {
  override readonly name = "TensorParsingError";
}

export interface TensorBudgetOptions {
  /**
   * Most fields, strings and values that come one by one. Values that are packed, or raw bytes, are not counted: they
   * are viewed where they lie, or charged as bytes.
   * @default 131_072
   */
  readonly maxElements?: number;
  /**
   * Most bytes of values that are written out rather than viewed: varints, and those that are fewer than the shape says,
   * of which the last one fills the rest.
   * @default 268_435_456
   */
  readonly maxValueBytes?: number;
}

/** What reading the tensors of one message may still cost. */
export interface TensorBudget {
  readonly elements: WorkBudget;
  /** @throws TensorParsingError if that is more than there is */
  takeValueBytes(byteCount: number): void;
}

export const tensorBudgetDefaults: Required<TensorBudgetOptions> = {
  maxElements: 131_072,
  maxValueBytes: 268_435_456,
};

export function createTensorBudget(options: TensorBudgetOptions = {}): TensorBudget {
  const { maxElements, maxValueBytes } = { ...tensorBudgetDefaults, ...options };
  let takenBytes = 0;
  return {
    elements: createWorkBudget(maxElements),
    takeValueBytes: (byteCount) => {
      takenBytes += byteCount;
      if (takenBytes <= maxValueBytes) return;
      throw new TensorParsingError(
        `tensors of ${takenBytes} bytes, written out; at most ${maxValueBytes} are accepted`,
      );
    },
  };
}
