import { UpstreamFailedError } from "@tensorgate/core";

const prefixBytes = 5;

/** The pieces of one gRPC message as they go on the wire: the length prefix, then `segments` as they are. */
export function framedMessage(segments: readonly Uint8Array[]): readonly Uint8Array[] {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(messageBytes(segments), 1);
  return [prefix, ...segments];
}

/** Length of a message in pieces, in bytes. */
export function messageBytes(segments: readonly Uint8Array[]): number {
  return segments.reduce((sum, segment) => sum + segment.byteLength, 0);
}

/**
 * The single message of a unary reply.
 *
 * @param totalBytes - length of all `chunks` together
 * @throws UpstreamFailedError if they are not exactly one uncompressed message
 */
export function messageFromFrames(chunks: readonly Buffer[], totalBytes: number): Uint8Array {
  const [first] = chunks;
  const body = first && chunks.length === 1 ? first : Buffer.concat(chunks, totalBytes);
  if (body.length < prefixBytes) throw malformed("the reply has no message");
  // We offer no encoding, so a compressed message is a fault of the server.
  if (body[0] !== 0) throw malformed("the reply is compressed");
  if (body.readUInt32BE(1) !== body.length - prefixBytes) {
    throw malformed("the reply is not one whole message");
  }
  return body.subarray(prefixBytes);
}

function malformed(what: string): UpstreamFailedError {
  return new UpstreamFailedError("the replica's reply could not be read", {
    cause: new Error(what),
  });
}
