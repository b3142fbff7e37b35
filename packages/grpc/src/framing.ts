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

/** Returns the length of a message in pieces, in bytes. */
export function messageBytes(segments: readonly Uint8Array[]): number {
  let byteCount = 0;
  for (const segment of segments) byteCount += segment.byteLength;
  return byteCount;
}

/** Messages up to this length are copied into one piece, in bytes: a copy costs less than another write. */
const maxJoinedBytes = 16_384;

/** Frames a message that is in pieces: a short one as a single piece, a long one as its prefix and the very bytes that came. */
export function framedPieces(segments: readonly Uint8Array[]): readonly Uint8Array[] {
  const byteCount = messageBytes(segments);
  if (byteCount > maxJoinedBytes) return [messagePrefix(byteCount), ...segments];
  const framed = Buffer.allocUnsafe(prefixBytes + byteCount);
  framed.writeUInt8(0);
  framed.writeUInt32BE(byteCount, 1);
  let offset = prefixBytes;
  for (const segment of segments) {
    framed.set(segment, offset);
    offset += segment.byteLength;
  }
  return [framed];
}

/** Assembles the single message of a unary reply from its pieces, in memory that grows with what has come. */
export interface UnaryReader {
  /** Bytes of memory that are held. */
  readonly heldBytes: number;
  /**
   * @throws FramingError as soon as the pieces cannot become one uncompressed message of at most `maxBytes`, or come in
   *   far more pieces than its length explains
   */
  push(piece: Buffer): void;
  /** @throws FramingError if the message is cut short */
  message(): Uint8Array;
}

/** Thrown when bytes are not the one message that they should be. */
export class FramingError extends Error {
  override readonly name = "FramingError";
  /** Whether the message, well formed or not, exceeds its limit. */
  readonly isTooLong: boolean;

  constructor(message: string, { isTooLong = false }: { readonly isTooLong?: boolean } = {}) {
    super(message);
    this.isTooLong = isTooLong;
  }
}

/** Smallest memory for a message that does not come in one piece, in bytes. */
const minMemoryBytes = 4_096;

/**
 * Pieces that any reply may come in, and bytes that each further one must bring on average. A piece costs as much time
 * as a thousand bytes, and servers send a kilobyte and more at a time.
 */
const pieces = { free: 1_024, minBytes: 256 } as const;

const noBytes = Buffer.alloc(0);

/** @param maxBytes - of the message, without its prefix */
export function createUnaryReader(maxBytes: number): UnaryReader {
  let memory: Buffer = noBytes;
  let byteCount = 0;
  let pieceCount = 0;
  /** With its prefix; undefined until that has come. */
  let totalBytes: number | undefined;

  function grow(neededBytes: number): void {
    const ahead = Math.max(minMemoryBytes, 2 * neededBytes);
    const larger = Buffer.allocUnsafeSlow(
      Math.max(neededBytes, Math.min(ahead, totalBytes ?? ahead)),
    );
    memory.copy(larger, 0, 0, byteCount);
    memory = larger;
  }

  return {
    get heldBytes() {
      return memory.byteLength;
    },
    push: (piece) => {
      pieceCount += 1;
      if (pieceCount > pieces.free + byteCount / pieces.minBytes) {
        throw new FramingError(`the response arrives in ${pieceCount} small pieces`);
      }
      if (byteCount === 0) {
        // Most replies come in one piece, which is used as it is.
        memory = piece;
      } else {
        const neededBytes = byteCount + piece.byteLength;
        if (neededBytes > memory.byteLength) grow(neededBytes);
        memory.set(piece, byteCount);
      }
      byteCount += piece.byteLength;
      if (totalBytes === undefined && byteCount >= prefixBytes) {
        const prefix = readPrefix(memory);
        // The request offers no encoding, so a compressed message is a fault of the server.
        if (prefix.flags !== 0) throw new FramingError("the response is compressed");
        if (prefix.byteCount > maxBytes) {
          throw new FramingError(
            `the message has ${prefix.byteCount} bytes; the limit is ${maxBytes}`,
            { isTooLong: true },
          );
        }
        totalBytes = prefixBytes + prefix.byteCount;
      }
      if (totalBytes !== undefined && byteCount > totalBytes) {
        throw new FramingError("the response is longer than its message");
      }
    },
    message: () => {
      if (totalBytes === undefined) throw new FramingError("the response has no message");
      if (byteCount < totalBytes) throw new FramingError("the response is truncated");
      return memory.subarray(prefixBytes, totalBytes);
    },
  };
}
