import type { Http2Receiver, Http2Stream } from "./contract.ts";
import type { DecodedBlock } from "./hpack.ts";

/** The part of a connection that a stream needs. */
export interface StreamOwner {
  cancel(stream: OwnStream): void;
  /** Whether the socket may still read memory that was handed to it up to this position of its output, in bytes. */
  mayRead(position: number): boolean;
}

/** A request over the HTTP/2 client of this folder. */
export class OwnStream implements Http2Stream {
  id: number | undefined;
  resetCode = 0;
  /** Fields of the request, encoded: a character for each byte. */
  readonly block: string;
  readonly receiver: Http2Receiver;
  /** Bytes of the body that were not handed to the socket. */
  unsentBytes = 0;
  /** Bytes that the server takes, which a change of its settings can make negative. */
  sendWindow = 0;
  /** Bytes of the reply for which the server got no new window. */
  unacknowledgedBytes = 0;
  hasHeaders = false;
  /** Whether the server has sent all that it will. */
  isAnswered = false;
  /** Whether either side has reset it. */
  isReset = false;
  isOver = false;
  /** Whether it is in the queue of those that send. */
  isQueued = false;
  /** Where the last memory of the body ends in the output of the connection, in bytes. */
  sentPosition = 0;
  readonly #owner: StreamOwner;
  #body: readonly Uint8Array[];
  /** The piece of the body that is next, and how much of it was sent. */
  #piece = 0;
  #offset = 0;

  constructor(
    owner: StreamOwner,
    block: string,
    body: readonly Uint8Array[],
    receiver: Http2Receiver,
  ) {
    this.#owner = owner;
    this.block = block;
    this.receiver = receiver;
    this.#body = body;
    for (const { byteLength } of body) this.unsentBytes += byteLength;
  }

  get mayReadBody(): boolean {
    return this.unsentBytes > 0 || this.#owner.mayRead(this.sentPosition);
  }

  cancel(): void {
    this.#owner.cancel(this);
  }

  /** @returns what is malformed, if something is */
  receiveBlock(block: DecodedBlock, isEnd: boolean): string | undefined {
    const { headers, byteCount, status } = block;
    const fault = block.fault ?? faultOf(status, this.hasHeaders, isEnd);
    if (fault !== undefined) return fault;
    this.isAnswered = isEnd;
    if (this.hasHeaders) this.receiver.onTrailers(headers, byteCount);
    else if (status < 200) this.receiver.onInterim();
    else this.receiver.onHeaders(headers, byteCount, isEnd);
    this.hasHeaders ||= status >= 200;
    return undefined;
  }

  /** Returns the next bytes of the body: at most `maxBytes`, and of one piece. */
  next(maxBytes: number): Uint8Array {
    let piece = this.#body[this.#piece] as Uint8Array;
    while (this.#offset === piece.byteLength) {
      this.#piece += 1;
      this.#offset = 0;
      piece = this.#body[this.#piece] as Uint8Array;
    }
    const end = Math.min(piece.byteLength, this.#offset + maxBytes);
    const isAll = this.#offset === 0 && end === piece.byteLength;
    const bytes = isAll ? piece : piece.subarray(this.#offset, end);
    this.#offset = end;
    this.unsentBytes -= bytes.byteLength;
    return bytes;
  }

  /** Forgets what was not sent. */
  dropBody(): void {
    this.#body = [];
    this.unsentBytes = 0;
  }
}

/** What is wrong with a block at its place in the reply. @see RFC 9113, section 8.1 */
function faultOf(status: number, isTrailers: boolean, isEnd: boolean): string | undefined {
  if (isTrailers) {
    if (status !== 0) return "trailers with a status";
    return isEnd ? undefined : "something after trailers";
  }
  if (status === 0) return "no status";
  const isFinal = status === 101 || (status < 200 && isEnd);
  return isFinal ? `status ${status} in place of a final one` : undefined;
}
