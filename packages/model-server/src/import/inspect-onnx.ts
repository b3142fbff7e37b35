import {
  TensorProto_DataLocation as DataLocation,
  type ModelProto,
} from "@tensorgate/proto/onnx/onnx";
import { ModelFolderError } from "../manifest.ts";
import { type DeclaredValue, declaredValue } from "../onnx/declared-value.ts";
import { readModelOutline } from "../onnx/model-outline.ts";
import { otherFileText } from "./other-formats.ts";

/** What an ONNX file says of itself. */
export interface OnnxModelInfo {
  readonly operatorSet: bigint;
  readonly producer: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Files with its weights, relative to it. */
  readonly externalFiles: readonly string[];
}

export type OnnxValue = DeclaredValue;

/** @throws ModelFolderError if it cannot be read, or is not an ONNX model */
export function inspectOnnx(file: string): OnnxModelInfo {
  let model: ModelProto;
  try {
    model = readModelOutline(file);
  } catch (cause) {
    throw new ModelFolderError(otherFileText(file) ?? whyNot(file, cause as Error), { cause });
  }
  const { graph } = model;
  const operatorSet = model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx");
  if (!graph || graph.output.length === 0 || !operatorSet) {
    throw new ModelFolderError(
      otherFileText(file) ?? `${file} is not an ONNX model: it has no graph with outputs`,
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
    inputs: graph.input.filter(({ name }) => !weights.has(name ?? "")).map(declaredValue),
    outputs: graph.output.map(declaredValue),
    externalFiles: [...new Set(external)],
  };
}

function whyNot(file: string, { message, code }: NodeJS.ErrnoException): string {
  if (code === undefined) return `${file} is not an ONNX model: ${message}`;
  return `cannot read ${file}: ${code === "ENOENT" ? "there is no such file" : message}`;
}
