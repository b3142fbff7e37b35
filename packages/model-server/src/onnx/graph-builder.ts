import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "@tensorgate/proto/onnx/onnx";

/** Integers unless said otherwise: a number or a list of them; `float` and `floats` where ONNX wants those. */
export type Attribute =
  | number
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly text: string }
  | { readonly texts: readonly string[] };

/** Element types by their names in ONNX, in lower case. */
const elementTypes: Readonly<Record<ElementType, DataType>> = {
  float: DataType.FLOAT,
  double: DataType.DOUBLE,
  float16: DataType.FLOAT16,
  bfloat16: DataType.BFLOAT16,
  uint8: DataType.UINT8,
  int32: DataType.INT32,
  int64: DataType.INT64,
  string: DataType.STRING,
};

export type ElementType =
  | ("float" | "double" | "float16" | "bfloat16")
  | ("uint8" | "int32" | "int64" | "string");

/** Extents; a string names one that is open, such as the batch. */
export type OnnxShape = readonly (number | string)[];

/** Builds an ONNX graph node by node. Every method that makes a tensor returns its name. */
export interface GraphBuilder {
  input(name: string, shape: OnnxShape | undefined, elementType?: ElementType): string;
  /** Without a shape its rank is unknown. */
  output(name: string, shape: OnnxShape | undefined, elementType?: ElementType): void;
  /** An output of any type, such as a sequence of maps. */
  outputOfType(name: string, type: TypeInit): void;
  /** A constant tensor of floats. */
  floats(name: string, shape: readonly number[], values: Float32Array): string;
  /** A constant tensor of floats that are in a file beside the model. */
  externalFloats(name: string, shape: readonly number[], place: ExternalPlace): string;
  /** A constant vector of 64-bit integers. */
  integers(values: readonly number[]): string;
  /** A constant scalar. */
  scalar(value: number): string;
  /**
   * Adds a node with one output, which is called `name` if it is given. An operator of another domain than ONNX's own
   * has that before a colon: `ai.onnx.ml:ZipMap`.
   */
  op(
    type: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, Attribute>>,
    name?: string,
  ): string;
  /** Adds a node with several outputs. */
  opWithOutputs(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    outputs: readonly string[],
  ): void;
  /** The model, serialized. */
  finish(metadata?: Readonly<Record<string, string>>): Uint8Array;
}

/** Where in which file a constant's bytes are. */
export interface ExternalPlace {
  /** Path relative to the model. */
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
}

type TensorInit = Exclude<MessageInitShape<typeof TensorProtoSchema>, TensorProto>;
type TypeInit = MessageInitShape<typeof TypeProtoSchema>;

const operatorSet = 21n;
const irVersion = 10n;
/** Of other domains than ONNX's own. */
const otherOperatorSet = 1n;

export function createGraphBuilder(graphName: string): GraphBuilder {
  const nodes: NodeProto[] = [];
  const constants = new Map<string, TensorProto>();
  const inputs: ValueInfoProto[] = [];
  const outputs: ValueInfoProto[] = [];
  const domains = new Set<string>();
  let nodeCount = 0;

  function constant(name: string, init: TensorInit): string {
    if (!constants.has(name)) constants.set(name, create(TensorProtoSchema, { ...init, name }));
    return name;
  }

  const builder: GraphBuilder = {
    input: (name, shape, elementType = "float") => {
      inputs.push(valueInfo(name, shape, elementTypes[elementType]));
      return name;
    },
    output: (name, shape, elementType = "float") =>
      void outputs.push(valueInfo(name, shape, elementTypes[elementType])),
    outputOfType: (name, type) => void outputs.push(create(ValueInfoProtoSchema, { name, type })),
    floats: (name, shape, values) =>
      constant(name, {
        dims: shape.map(BigInt),
        dataType: DataType.FLOAT,
        rawData: bytesOf(values),
      }),
    externalFloats: (name, shape, { file, offset, byteLength }) =>
      constant(name, {
        dims: shape.map(BigInt),
        dataType: DataType.FLOAT,
        dataLocation: DataLocation.EXTERNAL,
        externalData: [
          { key: "location", value: file },
          { key: "offset", value: String(offset) },
          { key: "length", value: String(byteLength) },
        ],
      }),
    integers: (values) =>
      constant(`integers_${values.join("_")}`, {
        dims: [BigInt(values.length)],
        dataType: DataType.INT64,
        rawData: bytesOf(BigInt64Array.from(values, BigInt)),
      }),
    scalar: (value) => builder.floats(`scalar_${value}`, [], Float32Array.of(value)),
    op: (type, opInputs, attributes = {}, name = `${type}_${nodeCount}`) => {
      builder.opWithOutputs(type, opInputs, attributes, [name]);
      return name;
    },
    opWithOutputs: (type, input, attributes, output) => {
      nodeCount += 1;
      const [opType = type, domain = ""] = type.split(":").toReversed();
      if (domain !== "") domains.add(domain);
      const attribute = Object.entries(attributes).map(([name, value]) =>
        attributeProto(name, value),
      );
      nodes.push(
        create(NodeProtoSchema, {
          opType,
          domain,
          name: output[0] ?? opType,
          input: [...input],
          output: [...output],
          attribute,
        }),
      );
    },
    finish: (metadata = {}) =>
      toBinary(
        ModelProtoSchema,
        create(ModelProtoSchema, {
          irVersion,
          producerName: "tensorgate",
          opsetImport: [
            { domain: "", version: operatorSet },
            ...[...domains].map((domain) => ({ domain, version: otherOperatorSet })),
          ],
          graph: {
            name: graphName,
            node: nodes,
            initializer: [...constants.values()],
            input: inputs,
            output: outputs,
          },
          metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
        }),
      ),
  };
  return builder;
}

function bytesOf(values: Float32Array | BigInt64Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}

function valueInfo(name: string, shape: OnnxShape | undefined, elemType: DataType): ValueInfoProto {
  const dim = shape?.map((extent) =>
    typeof extent === "number"
      ? { value: { case: "dimValue" as const, value: BigInt(extent) } }
      : { value: { case: "dimParam" as const, value: extent } },
  );
  const value = { elemType, ...(dim && { shape: { dim } }) };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value } } });
}

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === "number") {
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  }
  if ("float" in value) {
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  }
  if ("floats" in value) {
    const floats = [...value.floats];
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOATS, floats });
  }
  const bytes = (text: string) => new TextEncoder().encode(text);
  if ("text" in value) {
    return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: bytes(value.text) });
  }
  if ("texts" in value) {
    const strings = value.texts.map(bytes);
    return create(AttributeProtoSchema, { name, type: AttributeType.STRINGS, strings });
  }
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
}
