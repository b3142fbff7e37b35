import { create, toBinary } from "@bufbuild/protobuf";
import type { DType, FixedSizeTensor } from "@tensorgate/core";
import {
  TensorProto_DataType as DataType,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  TensorProtoSchema,
  type ValueInfoProto,
} from "@tensorgate/proto/onnx/onnx";
import { joined, MessageWriter } from "@tensorgate/tf-serving";
import { SavedModelError } from "../saved-model-error.ts";

/** Numbers of ONNX for the element types that both have. */
const dataTypes: Readonly<Partial<Record<DType, DataType>>> = {
  FP32: DataType.FLOAT,
  FP64: DataType.DOUBLE,
  FP16: DataType.FLOAT16,
  BF16: DataType.BFLOAT16,
  INT8: DataType.INT8,
  INT16: DataType.INT16,
  INT32: DataType.INT32,
  INT64: DataType.INT64,
  UINT8: DataType.UINT8,
  UINT16: DataType.UINT16,
  UINT32: DataType.UINT32,
  UINT64: DataType.UINT64,
  BOOL: DataType.BOOL,
  BYTES: DataType.STRING,
};

/** @returns undefined for a type that ONNX does not have */
export function onnxDataType(dtype: DType): number | undefined {
  return dataTypes[dtype];
}

/** A constant that the model holds. */
export interface Held {
  readonly name: string;
  readonly tensor: FixedSizeTensor;
}

const operatorSet = 21n;
const irVersion = 10n;

export interface Contents {
  readonly nodes: NodeProto[];
  readonly held: readonly Held[];
  readonly inputs: ValueInfoProto[];
  readonly outputs: ValueInfoProto[];
}

/** Numbers of the fields that are framed by hand, so that the weights are copied once. */
const modelGraph = 7;
const graphInitializer = 5;
const tensorRawData = 9;

/** Writes a model. The weights are copied once, into the result. @throws SavedModelError if it is too large */
export function modelBytes(
  { nodes, held, inputs, outputs }: Contents,
  maxBytes: number,
): Uint8Array {
  const graph = withHeld(
    toBinary(
      GraphProtoSchema,
      create(GraphProtoSchema, {
        name: "tensorflow",
        node: nodes,
        input: inputs,
        output: outputs,
      }),
    ),
    held,
  );
  const byteCount = graph.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const head = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion,
      producerName: "tensorgate",
      opsetImport: [{ domain: "", version: operatorSet }],
    }),
  );
  if (byteCount + head.byteLength + 16 > maxBytes) {
    throw new SavedModelError(
      "too-large",
      `the ONNX model has ${byteCount} bytes; at most ${maxBytes} are accepted`,
    );
  }
  const tag = new MessageWriter()
    .varint((modelGraph << 3) | 2)
    .varint(byteCount)
    .finish();
  return joined([head, ...tag, ...graph]);
}

function withHeld(graph: Uint8Array, held: readonly Held[]): readonly Uint8Array[] {
  return [
    graph,
    ...held.flatMap(({ name, tensor }) => {
      const init = {
        name,
        dims: tensor.shape.map(BigInt),
        dataType: dataTypes[tensor.dtype] ?? DataType.UNDEFINED,
      };
      const head = toBinary(TensorProtoSchema, create(TensorProtoSchema, init));
      const data = new MessageWriter().bytesField(tensorRawData, tensor.data).finish();
      const byteCount = data.reduce((sum, each) => sum + each.byteLength, head.byteLength);
      const tag = new MessageWriter().varint((graphInitializer << 3) | 2).varint(byteCount);
      return [...tag.finish(), head, ...data];
    }),
  ];
}
