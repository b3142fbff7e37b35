import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { engineText } from "./engine-text.ts";
import { buffersOf, type OrtNumbers, type OrtTensor } from "./ort-types.ts";
import { sessionOptions } from "./session-options.ts";

/** The model that a worker opens. */
export interface WorkerStart {
  readonly modelFile: string;
  readonly threads: number;
}

/** An input or an output as the engine describes it. */
export interface EngineValue {
  readonly name: string;
  /** Undefined for what is not a tensor. */
  readonly type: string | undefined;
  /** -1 for an open extent; none for a scalar, and for an unknown rank too. */
  readonly extents: readonly number[];
}

export interface RunMessage {
  readonly id: number;
  readonly feeds: ReadonlyMap<string, OrtTensor>;
  readonly fetches: readonly string[];
}

export type WorkerMessage =
  | {
      readonly kind: "loaded";
      readonly inputs: readonly EngineValue[];
      readonly outputs: readonly EngineValue[];
    }
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

// `run` blocks its thread although it returns a promise, which is why it has a separate one.
if (parentPort) await serve(parentPort, workerData as WorkerStart);

async function serve(
  port: NonNullable<typeof parentPort>,
  { modelFile, threads }: WorkerStart,
): Promise<void> {
  const post = (message: WorkerMessage, transfer: ArrayBuffer[] = []) =>
    port.postMessage(message, transfer);
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(modelFile, sessionOptions(threads));
  } catch (thrown) {
    post({ kind: "rejected", message: engineText(thrown) });
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
  post({
    kind: "loaded",
    inputs: session.inputMetadata.map(engineValue),
    outputs: session.outputMetadata.map(engineValue),
  });
}

function engineValue(metadata: InferenceSession.ValueMetadata): EngineValue {
  const { name } = metadata;
  if (!metadata.isTensor) return { name, type: undefined, extents: [] };
  const extents = metadata.shape.map((extent) => (typeof extent === "number" ? extent : -1));
  return { name, type: metadata.type, extents };
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
