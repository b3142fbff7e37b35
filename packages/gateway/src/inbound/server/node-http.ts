import type http from "node:http";
import type http2 from "node:http2";
import { NotSupportedError } from "@tensorgate/core";

/** One HTTP exchange of either version, as Node gives it. */
export type NodeRequest = http.IncomingMessage | http2.Http2ServerRequest;
export type NodeResponse = http.ServerResponse | http2.Http2ServerResponse;

/** Receives each exchange. */
export type OnRequest = (request: NodeRequest, response: NodeResponse) => void;

/** Answers one exchange; rejects if no response can be written. */
export type Respond = (request: NodeRequest, response: NodeResponse) => Promise<unknown>;

/**
 * @throws NotSupportedError if a body is encoded for the transfer otherwise than in chunks
 * @see RFC 9112, section 6.1
 */
export function assertKnownTransfer(transferCoding: string): void {
  const coding = transferCoding.trim().toLowerCase();
  if (coding === "chunked") return;
  throw new NotSupportedError(`unsupported transfer coding "${coding.slice(0, 40)}"`, {
    field: "transfer-encoding",
    hint: "use chunked, and declare compression in content-encoding",
  });
}
