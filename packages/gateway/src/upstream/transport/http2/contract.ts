import type { LookupFunction } from "node:net";
import type { ConnectionOptions as TlsConnectionOptions } from "node:tls";
import type { HeaderBlock } from "@tensorgate/grpc";

/** Opens an HTTP/2 connection of a client: by Node's `node:http2`, or by the frames of this folder. */
export type OpenHttp2 = (options: Http2Options, events: Http2Events) => Http2Connection;

export interface Http2Options {
  readonly scheme: "http" | "https";
  /** `host:port`: the authority of requests. */
  readonly authority: string;
  /** Resolves the host; DNS by default. */
  readonly lookup?: LookupFunction;
  readonly tls: TlsConnectionOptions;
  /** Window that is offered per stream and for the connection, in bytes. */
  readonly windowBytes: number;
  /** Headers of every request. A header of a request with the same name is left out. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What happens to a connection as a whole. */
export interface Http2Events {
  readonly onConnect: () => void;
  /**
   * The server takes no further streams. It may come twice: first for a graceful shutdown, then with the last id.
   * @param lastStreamId - streams with a higher id were not processed
   * @see RFC 9113, section 6.8
   */
  readonly onGoaway: (code: number, lastStreamId: number) => void;
  /** Once, after which every stream has ended. */
  readonly onClose: () => void;
}

/** One HTTP/2 connection of a client that sends requests with a body and reads replies with trailers. */
export interface Http2Connection {
  readonly isConnecting: boolean;
  /** Whether it takes no more requests: it ends with those in flight, or has ended. */
  readonly isClosed: boolean;
  /** Bytes received so far, all frames counted; 0 once the connection has ended. */
  readonly receivedBytes: number;
  /**
   * Sends a request. What happens to it is reported to `receiver`, never before this returns.
   *
   * @throws TypeError if a header cannot be sent
   */
  send(request: Http2Request, receiver: Http2Receiver): Http2Stream;
  /**
   * @param onAnswer - called with the round trip in milliseconds, or undefined when the connection ends before that
   * @returns whether it was sent
   */
  ping(onAnswer: (roundTripMs: number | undefined) => void): boolean;
  /** Takes no more requests, and ends when those in flight have ended. */
  close(): void;
  /** Ends immediately. Streams in flight end with `error`. */
  destroy(error: Error): void;
}

export interface Http2Request {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The body in pieces, which are sent as they are, never joined. */
  readonly body: readonly Uint8Array[];
}

/** What a request is answered with. Nothing is called after `onClose`, nor after the stream was cancelled. */
export interface Http2Receiver {
  /** An interim response (1xx). */
  onInterim(): void;
  /**
   * @param byteCount - length of the block as HTTP/2 counts it; of a block that is over its limit, `headers` has a part
   * @param isEnd - whether nothing follows
   */
  onHeaders(headers: HeaderBlock, byteCount: number, isEnd: boolean): void;
  /** @param piece - of the body, to be kept by the receiver */
  onData(piece: Buffer): void;
  onTrailers(trailers: HeaderBlock, byteCount: number): void;
  /** The stream is over: the reply has ended, the server has reset it, or the connection was lost. @param error - undefined if the reply ended, or the server reset the stream with NO_ERROR */
  onClose(error: Error | undefined): void;
}

/** A request that was sent. */
export interface Http2Stream {
  /** Undefined until its headers were sent. */
  readonly id: number | undefined;
  /** The code of RST_STREAM, of the server's or of `cancel`; 0 without one. */
  readonly resetCode: number;
  /** Whether bytes of the body may still be read: some were not sent, or wait in the memory of a socket. */
  readonly mayReadBody: boolean;
  /** Ends the stream without a further report. What was not sent of its body is dropped. */
  cancel(): void;
}

/** Longest headers, and trailers, of a reply, in bytes as HTTP/2 counts them. @see RFC 9113, section 6.5.2 */
export const maxHeaderBytes = 16_384;

/** Codes of RST_STREAM and GOAWAY. @see RFC 9113, section 7 */
export const http2Code = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;
