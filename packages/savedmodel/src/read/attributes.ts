import { toBinary } from "@bufbuild/protobuf";
import type { DType, Tensor } from "@tensorgate/core";
import { TensorProtoSchema } from "@tensorgate/proto/tensorflow/framework";
import type { AttrValue, NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { createTensorBudget, dtypeByNumber, readTensorProto } from "@tensorgate/tf-serving";

/** Attributes of a node; what it does not say is undefined or what is given as the default. */
export function attributeText({ attr }: NodeDef, name: string, byDefault = ""): string {
  const value = attr[name]?.value;
  return value?.case === "s" ? Buffer.from(value.value).toString("utf8") : byDefault;
}

export function attributeFlag({ attr }: NodeDef, name: string, byDefault = false): boolean {
  const value = attr[name]?.value;
  return value?.case === "b" ? value.value : byDefault;
}

export function attributeFloat({ attr }: NodeDef, name: string, byDefault: number): number {
  const value = attr[name]?.value;
  return value?.case === "f" ? value.value : byDefault;
}

export function attributeInteger({ attr }: NodeDef, name: string, byDefault: number): number {
  const value = attr[name]?.value;
  return value?.case === "i" ? Number(value.value) : byDefault;
}

export function attributeIntegers({ attr }: NodeDef, name: string): readonly number[] {
  const value = attr[name]?.value;
  return value?.case === "list" ? value.value.i.map(Number) : [];
}

export function attributeDType({ attr }: NodeDef, name: string): DType | undefined {
  const value = attr[name]?.value;
  return value?.case === "type" ? dtypeByNumber.get(value.value) : undefined;
}

/** @returns -1 for open extents; undefined for an unknown rank */
export function attributeShape({ attr }: NodeDef, name: string): readonly number[] | undefined {
  const value = attr[name]?.value;
  if (value?.case !== "shape" || value.value.unknownRank) return undefined;
  return value.value.dim.map(({ size }) => Number(size));
}

export function attributeFunction({ attr }: NodeDef, name: string): string {
  const value = attr[name]?.value;
  return value?.case === "func" ? value.value.name : "";
}

/**
 * Reads a constant, by the rules of TensorFlow: values may be fewer than the shape says.
 *
 * @param maxValueBytes - most bytes of values that are written out
 * @returns undefined if the node has none
 * @throws TensorParsingError if it is damaged or too large
 */
export function attributeTensor(
  { attr }: Pick<NodeDef, "attr">,
  name: string,
  maxValueBytes: number,
): Tensor | undefined {
  const value: AttrValue["value"] | undefined = attr[name]?.value;
  if (value?.case !== "tensor") return undefined;
  // Its elements are charged already; these are of one tensor, one by one.
  const budget = createTensorBudget({ maxElements: 20_000_000, maxValueBytes });
  return readTensorProto(toBinary(TensorProtoSchema, value.value), budget);
}
