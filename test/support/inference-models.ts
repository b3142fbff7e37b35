import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { bundledModelsDirectory } from "@tensorgate/model-server";
import {
  TensorProto_DataType as DataType,
  ModelProtoSchema,
  NodeProtoSchema,
  ValueInfoProtoSchema,
} from "@tensorgate/proto/onnx/onnx";
import { createGraphBuilder } from "../../packages/model-server/src/onnx/graph-builder.ts";

/** Datatypes that models echo, by the protocol's names in lower case. */
const echoed = {
  bool: DataType.BOOL,
  uint8: DataType.UINT8,
  uint16: DataType.UINT16,
  uint32: DataType.UINT32,
  uint64: DataType.UINT64,
  int8: DataType.INT8,
  int16: DataType.INT16,
  int32: DataType.INT32,
  int64: DataType.INT64,
  fp16: DataType.FLOAT16,
  fp32: DataType.FLOAT,
  fp64: DataType.DOUBLE,
  bytes: DataType.STRING,
} as const;

/** Names of the models that `writeInferenceModels` writes. */
export const inferenceModelNames: readonly string[] = [
  "shapes",
  "half_plus_two",
  "two_versions",
  "pair",
  ...Object.keys(echoed).map((name) => `echo_${name}`),
];

/** Writes the models that the cases of the Open Inference Protocol assume to `FOLDER/<name>/<version>/`. */
export function writeInferenceModels(folder: string): void {
  const write = (name: string, version: number, model: Uint8Array) => {
    const place = join(folder, name, String(version));
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, "model.onnx"), model);
  };
  cpSync(join(bundledModelsDirectory, "shapes"), join(folder, "shapes"), { recursive: true });
  write("half_plus_two", 1, halfPlus(2));
  write("two_versions", 2, halfPlus(2));
  write("two_versions", 3, halfPlus(3));
  write(
    "pair",
    1,
    identities([tensor("a", DataType.FLOAT, [2, 2]), tensor("b", DataType.INT32, [1])]),
  );
  for (const [name, elementType] of Object.entries(echoed)) {
    write(`echo_${name}`, 1, identities([tensor("in", elementType, ["n"], "out")]));
  }
}

/** y = x / 2 + `sum`. */
function halfPlus(sum: number): Uint8Array {
  const graph = createGraphBuilder("half_plus");
  graph.input("x", ["n"]);
  const half = graph.op("Mul", ["x", graph.scalar(0.5)]);
  graph.op("Add", [half, graph.scalar(sum)], {}, "y");
  graph.output("y", ["n"]);
  return graph.finish();
}

interface EchoedTensor {
  readonly input: string;
  readonly output: string;
  readonly elementType: DataType;
  readonly shape: readonly (number | string)[];
}

function tensor(
  input: string,
  elementType: DataType,
  shape: EchoedTensor["shape"],
  output = `${input}_out`,
): EchoedTensor {
  return { input, output, elementType, shape };
}

/** A graph that returns what it is given; of types, too, that the models of this project do not have. */
function identities(tensors: readonly EchoedTensor[]): Uint8Array {
  const info = (name: string, { elementType, shape }: EchoedTensor) =>
    create(ValueInfoProtoSchema, {
      name,
      type: {
        value: {
          case: "tensorType",
          value: {
            elemType: elementType,
            shape: {
              dim: shape.map((extent) =>
                typeof extent === "string"
                  ? { value: { case: "dimParam" as const, value: extent } }
                  : { value: { case: "dimValue" as const, value: BigInt(extent) } },
              ),
            },
          },
        },
      },
    });
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ version: 14n }],
      graph: {
        name: "echo",
        node: tensors.map(({ input, output }) =>
          create(NodeProtoSchema, { opType: "Identity", input: [input], output: [output] }),
        ),
        input: tensors.map((each) => info(each.input, each)),
        output: tensors.map((each) => info(each.output, each)),
      },
    }),
  );
}
