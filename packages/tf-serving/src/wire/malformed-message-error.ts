/** Bytes that are not a well-formed protocol buffers message. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
}
