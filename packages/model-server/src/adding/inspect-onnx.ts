import { readFileSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import {
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type ModelProto,
  ModelProtoSchema,
  type ValueInfoProto,
} from "@tensorgate/proto/onnx/onnx";
import { ModelFolderError } from "../manifest.ts";

/** What an ONNX file says of itself. */
export interface OnnxFacts {
  readonly operatorSet: bigint;
  readonly producer: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Files with its weights, relative to it. */
  readonly externalFiles: readonly string[];
}

export interface OnnxValue {
  readonly name: string;
  readonly isFloat: boolean;
  /** -1 for an open extent; undefined where the rank is not told. */
  readonly shape: readonly number[] | undefined;
}

/** @throws ModelFolderError if it cannot be read, or is no ONNX model */
export function inspectOnnx(file: string): OnnxFacts {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, readFileSync(file));
  } catch (cause) {
    throw new ModelFolderError(`${file} is no ONNX model: ${(cause as Error).message}`, { cause });
  }
  const { graph } = model;
  const operatorSet = model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx");
  if (!graph || graph.output.length === 0 || !operatorSet) {
    throw new ModelFolderError(
      `${file} is no ONNX model: it has no graph with outputs; a SavedModel or a PyTorch file has to be converted first`,
    );
  }
  // Old exporters list the weights among the inputs.
  const weights = new Set(graph.initializer.map(({ name }) => name));
  const external = graph.initializer
    .filter(({ dataLocation }) => dataLocation === DataLocation.EXTERNAL)
    .flatMap(({ externalData }) => externalData.find(({ key }) => key === "location")?.value ?? []);
  return {
    operatorSet: operatorSet.version ?? 0n,
    producer: model.producerName ?? "",
    inputs: graph.input.filter(({ name }) => !weights.has(name ?? "")).map(onnxValue),
    outputs: graph.output.map(onnxValue),
    externalFiles: [...new Set(external)],
  };
}

function onnxValue({ name, type }: ValueInfoProto): OnnxValue {
  const tensor = type?.value.case === "tensorType" ? type.value.value : undefined;
  const shape = tensor?.shape?.dim.map(({ value }) =>
    value.case === "dimValue" && value.value > 0n ? Number(value.value) : -1,
  );
  return { name: name ?? "", isFloat: tensor?.elemType === DataType.FLOAT, shape };
}
