import { toBinary } from "@bufbuild/protobuf";
import type { DType, Tensor } from "@tensorgate/core";
import { TensorProtoSchema, type TensorShapeProto } from "@tensorgate/proto/tensorflow/framework";
import type { NodeDef } from "@tensorgate/proto/tensorflow/graph";
import { dtypeByNumber, readTensorProto, type TensorBudget } from "@tensorgate/tf-serving";

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

/** A list of data types; undefined for those that are not known. */
export function attributeDTypes({ attr }: NodeDef, name: string): readonly (DType | undefined)[] {
  const value = attr[name]?.value;
  return value?.case === "list" ? value.value.type.map((each) => dtypeByNumber.get(each)) : [];
}

/** @returns -1 for open extents; undefined for an unknown rank */
export function attributeShape({ attr }: NodeDef, name: string): readonly number[] | undefined {
  const value = attr[name]?.value;
  return value?.case === "shape" ? extentsOf(value.value) : undefined;
}

/** A list of shapes, each as `attributeShape` returns it. */
export function attributeShapes(
  { attr }: NodeDef,
  name: string,
): readonly (readonly number[] | undefined)[] {
  const value = attr[name]?.value;
  return value?.case === "list" ? value.value.shape.map(extentsOf) : [];
}

const extentsOf = ({ unknownRank, dim }: TensorShapeProto) =>
  unknownRank ? undefined : dim.map(({ size }) => Number(size));

export function attributeFunction({ attr }: NodeDef, name: string): string {
  const value = attr[name]?.value;
  return value?.case === "func" ? value.value.name : "";
}

/**
 * Reads a constant, by the rules of TensorFlow: values may be fewer than the shape says.
 *
 * @param budget - for all constants of a graph together
 * @returns undefined if the node has none
 * @throws TensorParsingError if it is damaged, or the budget is spent
 */
export function attributeTensor(
  { attr }: Pick<NodeDef, "attr">,
  name: string,
  budget: TensorBudget,
): Tensor | undefined {
  const value = attr[name]?.value;
  if (value?.case !== "tensor") return undefined;
  return readTensorProto(toBinary(TensorProtoSchema, value.value), budget);
}
