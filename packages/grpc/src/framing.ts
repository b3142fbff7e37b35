/** Length of the prefix of a message, in bytes: one of flags, four of the message's length. */
export const prefixBytes = 5;

/** The flag of a message that is compressed as `grpc-encoding` says. Requests have no other. */
export const compressedFlag = 1;

/** What the prefix of a message says. @see gRPC over HTTP/2, "Length-Prefixed-Message" */
export interface MessagePrefix {
  readonly flags: number;
  /** Length of the message that follows, in bytes. */
  readonly byteCount: number;
}

/** Reads the prefix of a message. @param bytes - the first `prefixBytes` or more of it */
export function readPrefix(bytes: Buffer): MessagePrefix {
  return { flags: bytes.readUInt8(0), byteCount: bytes.readUInt32BE(1) };
}

/** Writes the prefix of a message. */
export function messagePrefix(byteCount: number, flags = 0): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(byteCount, 1);
  return prefix;
}

/** Returns the pieces of one message as they go on the wire: the prefix, then `segments` uncopied. */
export function framedMessage(segments: readonly Uint8Array[]): readonly Uint8Array[] {
  return [messagePrefix(messageBytes(segments)), ...segments];
}

/** Length of a message in pieces, in bytes. */
export function messageBytes(segments: readonly Uint8Array[]): number {
  let byteCount = 0;
  for (const segment of segments) byteCount += segment.byteLength;
  return byteCount;
}
