/**
 * Shortens what ONNX Runtime says of a failure to one line that concerns the reader: without the path of the model,
 * and without the place in the engine's own sources.
 */
export function engineText(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text
    .replace(/^(?:Load model (?:from )?.*? failed[:.]\s*)+/, "")
    .replace(/\/onnxruntime_src\/\S+:\d+ [\s\S]*?(?:\)|<lambda\(\)>) (?=[A-Z])/g, "")
    .replace(/\s+/g, " ")
    .trim();
}
