/** A `TensorProto` that TensorFlow would refuse to parse, or that would be too large. */
export class TensorParsingError extends Error {
  override readonly name = "TensorParsingError";
}
