import { defaultSignatureName, float32Tensor, float32Values } from "@tensorgate/core";
import type { Manifest, ManifestSignature } from "../manifest.ts";
import { createServable, type Servable } from "../servable.ts";

/** As the sample model of TensorFlow Serving is called and numbered. */
export const counterModel = { name: "counter", version: 123n, origin: "counter" } as const;

/** What each signature makes of the count; the names are those of the tensors that ask for it. */
const operations: Readonly<Record<string, (count: number, delta: number) => number>> = {
  get_counter: (count) => count,
  incr_counter: (count) => count + 1,
  incr_counter_by: (count, delta) => count + delta,
  reset_counter: () => 0,
};

/**
 * Creates a stateful model: it counts the requests that reached it, so that each changes the next response. It shows
 * whether a request that is not idempotent was retried. The count begins at 0 whenever the model is loaded.
 */
export function counterServable(): Servable {
  let count = 0;
  const model = createServable({
    name: counterModel.name,
    version: counterModel.version,
    manifest,
    session: {
      run: async (feeds, [operation = ""]) => {
        const delta = feeds.get("delta");
        const changed = operations[operation];
        if (!changed) throw new RangeError(`the counter has no ${operation}`);
        count = changed(count, delta ? (float32Values(delta)[0] ?? 0) : 0);
        return new Map([[operation, float32Tensor([], Float32Array.of(count))]]);
      },
      close: async () => {},
    },
    preprocess: () => Promise.reject(new RangeError("the counter takes no pictures")),
  });
  // A run to warm up would count.
  return { ...model, warmUp: async () => {} };
}

function signature(operation: string, inputs: ManifestSignature["inputs"] = {}): ManifestSignature {
  return {
    inputs,
    outputs: { output: { dtype: "FP32", shape: [], tensor: operation, holds: "tensor" } },
  };
}

const manifest: Manifest = {
  description: "Counts its requests.",
  weights: "given",
  labels: [],
  signatures: {
    get_counter: signature("get_counter"),
    incr_counter: signature("incr_counter"),
    incr_counter_by: signature("incr_counter_by", { delta: { dtype: "FP32", shape: [] } }),
    reset_counter: signature("reset_counter"),
    // The sample has no default; a request without a signature counts by one.
    [defaultSignatureName]: signature("incr_counter"),
  },
};
