import type { InferenceSession } from "onnxruntime-node";

/**
 * Of ONNX Runtime 1.30: it folds a Pad of zeros into the MaxPool after it, whose padding means −∞, so that negative
 * pixels at the edge win where 0 should. ResNet-50 v2 is off by 3·10⁻³ with it.
 */
const wrongOptimizers = "Pad_Fusion";

/** How every session is opened. */
export function sessionOptions(threads: number): InferenceSession.SessionOptions {
  return {
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    extra: { optimization: { disable_specified_optimizers: wrongOptimizers } },
  };
}
