import type { DType } from "@tensorgate/core";
import {
  TensorProto_DataType as DataType,
  type TypeProto,
  type ValueInfoProto,
} from "@tensorgate/proto/onnx/onnx";

/** An input or an output as an ONNX file declares it. */
export interface DeclaredValue {
  readonly name: string;
  /** Undefined for what is not a tensor, and for elements that no request can have. */
  readonly dtype: DType | undefined;
  /** -1 for an open extent; undefined for an unknown rank. */
  readonly shape: readonly number[] | undefined;
  /** For messages: "a bfloat16 tensor", "a sequence of maps". */
  readonly typeText: string;
}

/** Element types of ONNX that TensorFlow has too. */
const dtypes: Readonly<Partial<Record<DataType, DType>>> = {
  [DataType.FLOAT]: "FP32",
  [DataType.DOUBLE]: "FP64",
  [DataType.FLOAT16]: "FP16",
  [DataType.BFLOAT16]: "BF16",
  [DataType.INT8]: "INT8",
  [DataType.INT16]: "INT16",
  [DataType.INT32]: "INT32",
  [DataType.INT64]: "INT64",
  [DataType.UINT8]: "UINT8",
  [DataType.UINT16]: "UINT16",
  [DataType.UINT32]: "UINT32",
  [DataType.UINT64]: "UINT64",
  [DataType.BOOL]: "BOOL",
  [DataType.STRING]: "BYTES",
};

export function declaredValue({ name = "", type }: ValueInfoProto): DeclaredValue {
  const tensor = type?.value.case === "tensorType" ? type.value.value : undefined;
  const shape = tensor?.shape?.dim.map(({ value }) =>
    value.case === "dimValue" && value.value > 0n ? Number(value.value) : -1,
  );
  const dtype = tensor && dtypes[tensor.elemType as DataType];
  return { name, dtype, shape, typeText: typeText(type) };
}

function typeText(type: TypeProto | undefined): string {
  switch (type?.value.case) {
    case "tensorType":
      return `${article(elementText(type.value.value.elemType))} tensor`;
    case "sparseTensorType":
      return "a sparse tensor";
    case "sequenceType":
      return `a sequence of ${pluralText(type.value.value.elemType)}`;
    case "mapType":
      return "a map";
    case "optionalType":
      return "an optional value";
    default:
      return "a value of an unknown type";
  }
}

function pluralText(type: TypeProto | undefined): string {
  switch (type?.value.case) {
    case "tensorType":
      return `${elementText(type.value.value.elemType)} tensors`;
    case "mapType":
      return "maps";
    case "sequenceType":
      return "sequences";
    default:
      return "other values";
  }
}

function elementText(elementType = 0): string {
  return DataType[elementType]?.toLowerCase() ?? `type-${elementType}`;
}

function article(text: string): string {
  return `${/^[aeio]/.test(text) ? "an" : "a"} ${text}`;
}
