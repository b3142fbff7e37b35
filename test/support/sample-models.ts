import { create, toBinary } from "@bufbuild/protobuf";
import type { Manifest, ManifestSignature } from "@tensorgate/model-server";
import { DataType, TensorProtoSchema } from "@tensorgate/proto/tensorflow/framework";
import { SignatureDefMapSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { signatureDefFromSignature } from "@tensorgate/tf-serving";
import { createGraphBuilder } from "../../packages/model-server/src/onnx/graph-builder.ts";

// The sample models of TensorFlow Serving as ONNX: the same functions, signatures and names.

type Inputs = ManifestSignature["inputs"];
type Outputs = ManifestSignature["outputs"];
type Shape = readonly number[] | undefined;

/** Names of the tensors of one signature in the graph, as metadata show them. */
interface GraphNames {
  readonly input: string;
  readonly output: string;
}

export interface HalfPlusOptions {
  /** y = x / 2 + sum. */
  readonly sum?: number;
  /** What has other names in a model of TensorFlow 2, which says of every signature that it is for `Predict`. */
  readonly generation?: 1 | 2;
  /** Whether `classify_x2_to_y3` is there. */
  readonly classifiesX2?: boolean;
}

const oneFloat = { dtype: "FP32", shape: [1], values: [0] } as const;

/** The examples that hold `x`, which is required, as upstream's graphs parse them. */
const exampleOfX = { x: { dtype: "FP32", shape: [1] } } as const;

/** y = x / 2 + 2, y2 = x / 2 + 3, y3 = x2 / 2 + 3. */
export function halfPlusGraph(sum: number): Uint8Array {
  const graph = createGraphBuilder("half_plus");
  for (const [input, output, addend] of [
    ["x", "y", sum],
    ["x", "y2", 3],
    ["x2", "y3", 3],
  ] as const) {
    const half = graph.op("Mul", [input, graph.scalar(0.5)]);
    graph.op("Add", [half, graph.scalar(addend)], {}, output);
    graph.output(output, undefined);
  }
  graph.input("x", undefined);
  graph.input("x2", undefined);
  return graph.finish();
}

export function halfPlusManifest({
  generation = 1,
  classifiesX2 = generation === 2,
}: HalfPlusOptions): Manifest {
  const isSecond = generation === 2;
  const rows: Shape = isSecond ? [1] : [-1, 1];
  const texts: Shape = isSecond ? [-1] : undefined;
  const graphNames = (key: string, first: GraphNames, index: number): GraphNames => {
    const call = index === 0 ? "StatefulPartitionedCall" : `StatefulPartitionedCall_${index}`;
    return isSecond ? { input: `${key}:0`, output: `${call}:0` } : first;
  };
  const method = (name: "classify" | "regress") => (isSecond ? "predict" : name);
  const ofExamples = (
    kind: "classify" | "regress",
    output: string,
    names: GraphNames,
  ): ManifestSignature => ({
    method: method(kind),
    constants: { x2: oneFloat },
    inputs: {
      inputs: { dtype: "BYTES", shape: texts, graphName: names.input, examples: exampleOfX },
    },
    outputs: result(kind, { tensor: output, shape: [-1, 1], graphName: names.output }),
  });
  const ofX2 = (kind: "classify" | "regress", names: GraphNames): ManifestSignature => ({
    method: method(kind),
    constants: { x: oneFloat },
    inputs: { inputs: { dtype: "FP32", shape: rows, tensor: "x2", graphName: names.input } },
    outputs: result(kind, { tensor: "y3", shape: rows, graphName: names.output }),
  });
  const fromExample = (output: string) => ({ input: "tf_example:0", output: `${output}:0` });
  const fromX2 = { input: "x2:0", output: "y3:0" };
  const x = graphNames("serving_default_x", { input: "x:0", output: "y:0" }, 5);
  return {
    weights: "given",
    labels: [],
    signatures: {
      ...(classifiesX2 && {
        classify_x2_to_y3: ofX2("classify", graphNames("classify_x2_to_y3_inputs", fromX2, 0)),
      }),
      classify_x_to_y: ofExamples(
        "classify",
        "y",
        graphNames("classify_x_to_y_inputs", fromExample("y"), 1),
      ),
      regress_x2_to_y3: ofX2("regress", graphNames("regress_x2_to_y3_inputs", fromX2, 2)),
      regress_x_to_y: ofExamples(
        "regress",
        "y",
        graphNames("regress_x_to_y_inputs", fromExample("y"), 3),
      ),
      regress_x_to_y2: ofExamples(
        "regress",
        "y2",
        graphNames("regress_x_to_y2_inputs", fromExample("y2"), 4),
      ),
      serving_default: {
        constants: { x2: oneFloat },
        inputs: {
          x: {
            dtype: "FP32",
            shape: rows,
            graphName: x.input,
            ...(isSecond && { default: { shape: [1], values: [0] } }),
          },
        },
        outputs: { y: { dtype: "FP32", shape: rows, graphName: x.output, holds: "tensor" } },
      },
    },
  };
}

function result(
  kind: "classify" | "regress",
  output: { readonly tensor: string; readonly shape: Shape; readonly graphName: string },
): Outputs {
  return {
    [kind === "classify" ? "scores" : "outputs"]: { dtype: "FP32", holds: "tensor", ...output },
  };
}

/** Its signatures say of all tensors that they are scalars, as upstream's do, and of the examples that they are floats. */
export const halfPlusThree: Manifest = {
  weights: "given",
  labels: [],
  signatures: {
    serving_default: {
      constants: { x2: oneFloat },
      inputs: { x: { dtype: "FP32", shape: [] } },
      outputs: { y: { dtype: "FP32", shape: [], holds: "tensor" } },
    },
    "tensorflow/serving/regress": {
      method: "regress",
      constants: { x2: oneFloat },
      inputs: {
        inputs: { dtype: "FP32", shape: [], graphName: "tf_example:0", examples: exampleOfX },
      },
      outputs: result("regress", { tensor: "y", shape: [], graphName: "Identity:0" }),
    },
  },
};

/** Gives its inputs back: an integer, a float, and a text, also as bytes. */
export function multiGraph(): Uint8Array {
  const graph = createGraphBuilder("multi");
  const types = { i: "int32", f: "float", s: "string" } as const;
  for (const [name, type] of Object.entries(types)) graph.input(name, undefined, type);
  for (const [output, input] of [
    ["out_i", "i"],
    ["out_f", "f"],
    ["out_s", "s"],
    ["out_bytes", "s"],
  ] as const) {
    graph.op("Identity", [input], {}, output);
    graph.output(output, undefined, types[input]);
  }
  return graph.finish();
}

export function multiManifest(): Manifest {
  const shape = undefined;
  const noText = { dtype: "BYTES", shape: [1], values: [""] } as const;
  const noInteger = { dtype: "INT32", shape: [1], values: [0] } as const;
  const text = { dtype: "BYTES", shape } as const;
  const inputs: Inputs = { i: { dtype: "INT32", shape }, f: { dtype: "FP32", shape }, s: text };
  const outputs: Outputs = {
    out_i: { dtype: "INT32", shape, holds: "tensor" },
    out_f: { dtype: "FP32", shape, holds: "tensor" },
    out_s: { ...text, holds: "tensor" },
    out_bytes: { ...text, holds: "tensor" },
  };
  return {
    weights: "given",
    labels: [],
    signatures: {
      serving_default: { inputs, outputs },
      strings: {
        constants: { i: noInteger, f: oneFloat },
        inputs: { s: text },
        outputs: { s: { ...text, tensor: "out_s", holds: "tensor" } },
      },
      noinputs: { constants: { i: noInteger, f: oneFloat, s: noText }, inputs: {}, outputs },
    },
  };
}

/** What metadata say of a model of TensorFlow 2: its signatures, their defaults, and an operator that nobody calls. */
export function secondGenerationSignatures({ signatures }: Manifest): Uint8Array {
  const prepared = Object.entries(signatures).map(([key, { inputs, outputs }]) => [
    key,
    signatureDefFromSignature({
      inputs: new Map(Object.entries(inputs)),
      outputs: new Map(Object.entries(outputs)),
    }),
  ]);
  const map = create(SignatureDefMapSchema, {
    signatureDef: {
      ...Object.fromEntries(prepared),
      __saved_model_init_op: {
        outputs: {
          __saved_model_init_op: {
            encoding: { case: "name", value: "NoOp" },
            tensorShape: { unknownRank: true },
          },
        },
      },
    },
  });
  const usual = map.signatureDef["serving_default"];
  if (usual) {
    usual.defaults["x"] = create(TensorProtoSchema, {
      dtype: DataType.DT_FLOAT,
      tensorShape: { dim: [{ size: 1n }] },
      floatVal: [0],
    });
  }
  return toBinary(SignatureDefMapSchema, map);
}
