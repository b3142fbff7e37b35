import { parentPort, workerData } from "node:worker_threads";
import type { DType } from "@tensorgate/core";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { type DeclaredValue, declaredValue } from "../onnx/declared-value.ts";
import { readModelOutline } from "../onnx/model-outline.ts";
import { engineText } from "./engine-text.ts";
import {
  buffersOf,
  dtypeFromOrtType,
  type OrtNumbers,
  type OrtTensor,
  ortTypeFromDType,
} from "./ort-tensor.ts";

/** The model that a worker opens. */
export interface WorkerStart {
  readonly modelFile: string;
  readonly threads: number;
}

/** Names and types of a model's inputs and outputs. */
export interface ModelSignature {
  readonly inputs: readonly ModelValue[];
  readonly outputs: readonly ModelValue[];
}

export interface ModelValue {
  readonly name: string;
  /** Undefined for what cannot be in a request or a response: maps, sequences, tensors of some types. */
  readonly dtype: DType | undefined;
  /** -1 for an open extent; undefined for an unknown rank. */
  readonly shape: readonly number[] | undefined;
  /** For messages: "a float tensor", "a sequence of maps". */
  readonly typeText: string;
}

export interface RunMessage {
  readonly id: number;
  readonly feeds: ReadonlyMap<string, OrtTensor>;
  readonly fetches: readonly string[];
}

export type WorkerMessage =
  | { readonly kind: "loaded"; readonly signature: ModelSignature }
  /** The model cannot be opened; the worker ends. */
  | { readonly kind: "rejected"; readonly message: string }
  | { readonly kind: "done"; readonly id: number; readonly outputs: ReadonlyMap<string, OrtTensor> }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };

/** The arrays that ONNX Runtime reads elements from. */
const arrayOf: Readonly<Record<OrtNumbers["type"], (buffer: ArrayBuffer) => Tensor["data"]>> = {
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  float16: (buffer) => new Uint16Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  uint64: (buffer) => new BigUint64Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
};

// `run` blocks its thread although it returns a promise, which is why it has one of its own.
if (parentPort) await serve(parentPort, workerData as WorkerStart);

async function serve(
  port: NonNullable<typeof parentPort>,
  { modelFile, threads }: WorkerStart,
): Promise<void> {
  const post = (message: WorkerMessage, transfer: ArrayBuffer[] = []) =>
    port.postMessage(message, transfer);
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(modelFile, {
      graphOptimizationLevel: "all",
      executionMode: "sequential",
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
    });
  } catch (thrown) {
    post({ kind: "rejected", message: rejection(modelFile, thrown) });
    return;
  }
  const runSession = async (feeds: RunMessage["feeds"], fetches: readonly string[]) => {
    const inputs = Object.fromEntries([...feeds].map(([name, tensor]) => [name, feed(tensor)]));
    const results = await session.run(inputs, [...fetches]);
    return new Map(Object.entries(results).map(([name, tensor]) => [name, plainTensor(tensor)]));
  };

  port.on("message", async ({ id, feeds, fetches }: RunMessage) => {
    try {
      const outputs = await runSession(feeds, fetches);
      post({ kind: "done", id, outputs }, buffersOf(outputs.values()));
    } catch (thrown) {
      post({ kind: "failed", id, message: engineText(thrown) });
    }
  });
  const declared = declaredValues(modelFile);
  const valuesOf = (all: readonly InferenceSession.ValueMetadata[]) =>
    all.map((metadata) => modelValue(metadata, declared.get(metadata.name)));
  post({
    kind: "loaded",
    signature: {
      inputs: valuesOf(session.inputMetadata),
      outputs: valuesOf(session.outputMetadata),
    },
  });
}

/** Empty for a file that only the engine can read: what it tells of the model is enough to serve it. */
function declaredValues(modelFile: string): ReadonlyMap<string, DeclaredValue> {
  try {
    const { graph } = readModelOutline(modelFile);
    const all = [...(graph?.input ?? []), ...(graph?.output ?? [])].map(declaredValue);
    return new Map(all.map((value) => [value.name, value]));
  } catch {
    return new Map();
  }
}

/** Why a model cannot be opened: by its file where that tells it, or else in the engine's words. */
function rejection(modelFile: string, thrown: unknown): string {
  let outline: ReturnType<typeof readModelOutline>;
  try {
    outline = readModelOutline(modelFile);
  } catch (cause) {
    return `the file is not a complete ONNX model: ${(cause as Error).message}`;
  }
  const { graph } = outline;
  if (!graph || graph.output.length === 0) return "the file is not an ONNX model: it has no graph";
  const unsupported = (kind: string, values: readonly DeclaredValue[]) =>
    values
      .filter(({ dtype, typeText }) => typeText.endsWith(" tensor") && !isSupported(dtype))
      .map(({ name, typeText }) => `${kind} "${name}" is ${typeText}`);
  const faults = [
    ...unsupported("input", graph.input.map(declaredValue)),
    ...unsupported("output", graph.output.map(declaredValue)),
  ];
  if (faults.length === 0) return engineText(thrown);
  return `${faults.join(", and ")}, which ONNX Runtime for Node.js does not support`;
}

function isSupported(dtype: DType | undefined): boolean {
  return dtype !== undefined && ortTypeFromDType(dtype) !== undefined;
}

/** The engine infers shapes that the file leaves out, but has no word for an unknown rank: it gives no extents. */
function modelValue(
  metadata: InferenceSession.ValueMetadata,
  declared: DeclaredValue | undefined,
): ModelValue {
  const { name } = metadata;
  if (!metadata.isTensor) {
    const typeText = declared?.typeText ?? "a value that is not a tensor";
    return { name, dtype: undefined, shape: undefined, typeText };
  }
  const extents = metadata.shape.map((extent) => (typeof extent === "number" ? extent : -1));
  const isRanked = extents.length > 0 || declared?.shape !== undefined;
  return {
    name,
    dtype: dtypeFromOrtType(metadata.type),
    shape: isRanked ? extents : undefined,
    typeText: `${/^[aeiou]/.test(metadata.type) ? "an" : "a"} ${metadata.type} tensor`,
  };
}

function feed(tensor: OrtTensor): Tensor {
  const { shape } = tensor;
  if (tensor.type === "string") return new Tensor("string", [...tensor.data], [...shape]);
  const array = arrayOf[tensor.type](tensor.data.buffer);
  if (tensor.type !== "float16")
    return new Tensor(tensor.type as "float32", array as Float32Array, [...shape]);
  // Where the runtime has `Float16Array`, `Tensor` makes one of the elements, which Node-API knows only since later:
  // the binding takes it for empty. It reads the bits of 16-bit integers as they are.
  const bits = new Tensor("uint16", array as Uint16Array, [...shape]);
  return Object.defineProperty(bits, "type", { value: "float16" }) as Tensor;
}

/** Copied out, since ONNX Runtime owns the memory of its results. */
function plainTensor({ type, dims: shape, data }: Tensor): OrtTensor {
  if (Array.isArray(data)) return { type: "string", shape, data };
  const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { type: type as OrtNumbers["type"], shape, data: new Uint8Array(view) };
}
