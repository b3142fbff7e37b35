import type { Tensor } from "@tensorgate/core";
import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { numbersOf } from "./numbers.ts";
import type { TensorTools } from "./tensor-tools.ts";
import type { TensorValue, Value } from "./value.ts";

/** One node, with the values of its inputs. */
export interface OpCall {
  readonly node: NodeDef;
  readonly inputs: readonly Value[];
  readonly tools: TensorTools;
}

/** Converts a node: returns its output, or all of its outputs in order. @throws UnsupportedError */
export type OpHandler = (call: OpCall) => Value | readonly Value[];

/** A use of an operator that has no conversion. */
export class UnsupportedError extends Error {
  override readonly name = "UnsupportedError";
}

export function refuse(reason: string): never {
  throw new UnsupportedError(reason);
}

/** @throws UnsupportedError if there is no such input, or it is not a tensor */
export function tensorInput({ inputs }: OpCall, index: number): TensorValue {
  const value = inputs[index];
  if (value?.kind === "tensor") return value;
  if (value?.kind === "batches") refuse("SpaceToBatchND without a convolution after it");
  return refuse(value ? `input ${index} is a ${value.kind}` : `input ${index} is missing`);
}

export function tensorInputs(call: OpCall): readonly TensorValue[] {
  return call.inputs.map((_, index) => tensorInput(call, index));
}

/** @param what - for the message: "the paddings" */
export function constantInput(call: OpCall, index: number, what: string): Tensor {
  return tensorInput(call, index).constant ?? refuse(`${what} are not constant`);
}

/** The elements of a constant input, such as axes or paddings. */
export function numbersInput(call: OpCall, index: number, what: string): readonly number[] {
  const numbers = numbersOf(constantInput(call, index, what));
  return numbers ? Array.from(numbers) : refuse(`${what} are no numbers`);
}

export function rankOf({ shape }: TensorValue): number {
  return shape?.length ?? refuse("the rank of its input is not known");
}

/** Axes counted from the end are negative. */
export function positiveAxis(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(positive) || positive < 0 || positive >= Math.max(1, rank)) {
    refuse(`axis ${axis} of a tensor of rank ${rank}`);
  }
  return positive;
}
