import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { bundledModelsDirectory } from "@tensorgate/model-server";
import { ModelProtoSchema } from "@tensorgate/proto/onnx/onnx";
import { freePort } from "./nginx.ts";
import { hasPeers, peersHome, setUpPeer, startPeer, tensorflowPython } from "./peers.ts";

const script = fileURLToPath(new URL("../interop/shapes_saved_model.py", import.meta.url));

/**
 * Starts a real TensorFlow behind TensorFlow Serving's API with the models `shapes` and `half_plus_two`, which the suites
 * of the Open Inference Protocol's clients ask for; it is installed first if need be, and stopped with the stack.
 */
export async function startShapesInTensorFlow(
  stack: AsyncDisposableStack,
): Promise<{ readonly port: number } | { readonly because: string }> {
  if (!hasPeers) return { because: "the folder of peers is not here" };
  const missing = await setUpPeer("tensorflow/setup.sh", ["backend"]);
  if (missing) return { because: missing };
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-tensorflow-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const models = join(folder, "models");
  const half = join("half_plus_two", "1");
  cpSync(join(peersHome, "tensorflow", "models", half), join(models, half), { recursive: true });
  const weights = join(folder, "weights");
  writeShapesWeights(weights);
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3", CUDA_VISIBLE_DEVICES: "" };
  const args = [script, weights, join(models, "shapes")];
  execFileSync(tensorflowPython, args, { env, stdio: "ignore" });
  const port = await freePort();
  stack.use(await startPeer("tensorflow/start.sh", [String(port)], { TF_MODELS: models }));
  return { port };
}

/** Writes the weights of the bundled model, each as 32-bit floats, and their shapes by name. */
function writeShapesWeights(folder: string): void {
  const file = join(bundledModelsDirectory, "shapes", "1", "model.onnx");
  const { graph } = fromBinary(ModelProtoSchema, readFileSync(file));
  mkdirSync(folder);
  const shapes: Record<string, readonly number[]> = {};
  for (const { name, dims, rawData } of graph?.initializer ?? []) {
    shapes[name] = dims.map(Number);
    writeFileSync(join(folder, `${name}.f32`), rawData);
  }
  writeFileSync(join(folder, "weights.json"), JSON.stringify(shapes));
}
