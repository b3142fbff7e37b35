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

/** Puts together the single message of a unary reply as it comes, in memory that follows what has come. */
export interface ReplyReader {
  /** Bytes of memory that are held. */
  readonly heldBytes: number;
  /**
   * @throws UpstreamFailedError as soon as this cannot become one uncompressed message of at most `maxBytes`, or comes in
   *   far more pieces than its length explains
   */
  push(piece: Buffer): void;
  /** @throws UpstreamFailedError if the message is cut short */
  message(): Uint8Array;
}

/** Bytes of memory that a message gets at least which does not come in one piece. */
const minReplyBytes = 4_096;

/**
 * Pieces that any reply may come in, and bytes that each further one must bring on average. A piece costs as much time
 * as a thousand bytes, and servers send a kilobyte and more at a time.
 */
const pieces = { free: 1_024, minBytes: 256 } as const;

/** @param maxBytes - of the message, without its prefix */
export function createReplyReader(maxBytes: number): ReplyReader {
  let memory: Buffer = Buffer.alloc(0);
  let byteCount = 0;
  let pieceCount = 0;
  /** With its prefix; undefined until that has come. */
  let totalBytes: number | undefined;

  function append(piece: Buffer): void {
    const neededBytes = byteCount + piece.byteLength;
    if (byteCount === 0) {
      // Most replies come in one piece, which is used as it is.
      memory = piece;
    } else {
      if (neededBytes > memory.byteLength) grow(neededBytes);
      memory.set(piece, byteCount);
    }
    byteCount = neededBytes;
  }

  function grow(neededBytes: number): void {
    const ahead = Math.max(minReplyBytes, 2 * neededBytes);
    const larger = Buffer.allocUnsafeSlow(
      Math.max(neededBytes, Math.min(ahead, totalBytes ?? ahead)),
    );
    memory.copy(larger, 0, 0, byteCount);
    memory = larger;
  }

  function readPrefix(): void {
    // We offer no encoding, so a compressed message is a fault of the server.
    if (memory[0] !== 0) throw malformed("the reply is compressed");
    const messageBytes = memory.readUInt32BE(1);
    if (messageBytes > maxBytes) throw tooLongReply(`it has ${messageBytes} bytes`, maxBytes);
    totalBytes = prefixBytes + messageBytes;
  }

  return {
    get heldBytes() {
      return memory.byteLength;
    },
    push: (piece) => {
      pieceCount += 1;
      if (pieceCount > pieces.free + byteCount / pieces.minBytes) {
        throw malformed(`the reply comes in ${pieceCount} pieces of few bytes`);
      }
      append(piece);
      if (totalBytes === undefined && byteCount >= prefixBytes) readPrefix();
      if (totalBytes !== undefined && byteCount > totalBytes) {
        throw malformed("the reply is longer than its message");
      }
    },
    message: () => {
      if (totalBytes === undefined) throw malformed("the reply has no message");
      if (byteCount < totalBytes) throw malformed("the reply is not one whole message");
      return memory.subarray(prefixBytes, totalBytes);
    },
  };
}

function tooLongReply(what: string, maxBytes: number): UpstreamFailedError {
  return new UpstreamFailedError("the replica's reply is too long", {
    cause: new Error(`${what}, and at most ${maxBytes} are accepted`),
  });
}

function malformed(what: string): UpstreamFailedError {
  return new UpstreamFailedError("the replica's reply could not be read", {
    cause: new Error(what),
  });
}
