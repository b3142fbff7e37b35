import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { OrtTensor, OrtType } from "./ort-tensor.ts";

/** What the worker is told when it starts. */
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
  readonly type: string;
  /** -1 for an open extent. */
  readonly shape: readonly number[];
}

export interface RunMessage {
  readonly id: number;
  readonly feeds: ReadonlyMap<string, OrtTensor>;
  readonly fetches: readonly string[];
}

export type WorkerMessage =
  | { readonly kind: "loaded"; readonly signature: ModelSignature }
  | { readonly kind: "done"; readonly id: number; readonly outputs: ReadonlyMap<string, OrtTensor> }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };

/** The element types whose JavaScript arrays ONNX Runtime wants. */
const arrayOf: Readonly<Record<OrtType, (buffer: ArrayBuffer) => Tensor["data"]>> = {
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
if (parentPort) {
  const port = parentPort;
  const { modelFile, threads } = workerData as WorkerStart;
  const session = await InferenceSession.create(modelFile, {
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const say = (message: WorkerMessage, transfer: ArrayBuffer[] = []) =>
    port.postMessage(message, transfer);

  port.on("message", async ({ id, feeds, fetches }: RunMessage) => {
    try {
      const inputs = Object.fromEntries(
        [...feeds].map(([name, { type, shape, data }]) => [
          name,
          new Tensor(type as "float32", arrayOf[type](data.buffer) as Float32Array, [...shape]),
        ]),
      );
      const results = await session.run(inputs, [...fetches]);
      const outputs = new Map(
        Object.entries(results).map(([name, tensor]) => [name, plainTensor(tensor)]),
      );
      say(
        { kind: "done", id, outputs },
        [...outputs.values()].map(({ data }) => data.buffer),
      );
    } catch (thrown) {
      say({
        kind: "failed",
        id,
        message: thrown instanceof Error ? thrown.message : String(thrown),
      });
    }
  });
  say({
    kind: "loaded",
    signature: {
      inputs: session.inputMetadata.map(modelValue),
      outputs: session.outputMetadata.map(modelValue),
    },
  });
}

function modelValue(metadata: InferenceSession.ValueMetadata): ModelValue {
  if (!metadata.isTensor) return { name: metadata.name, type: "none", shape: [] };
  const shape = metadata.shape.map((extent) => (typeof extent === "number" ? extent : -1));
  return { name: metadata.name, type: metadata.type, shape };
}

/** Copied out, since ONNX Runtime owns the memory of its results. */
function plainTensor(tensor: Tensor): OrtTensor {
  const { data } = tensor;
  if (Array.isArray(data)) throw new TypeError("string outputs are not supported");
  const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { type: tensor.type as OrtType, shape: tensor.dims, data: new Uint8Array(view) };
}
