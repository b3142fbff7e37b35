import { parseContentType as connectForm } from "@connectrpc/connect/protocol-connect";
import { parseContentType as grpcForm } from "@connectrpc/connect/protocol-grpc";
import { parseContentType as grpcWebForm } from "@connectrpc/connect/protocol-grpc-web";
import { maxTimerDelayMs } from "@tensorgate/core";
import { formatTimeout, parseTimeout } from "@tensorgate/grpc";
import { isGzip } from "../../server/body/gunzip.ts";
import { headerOf } from "../../server/exchange.ts";
import type { NodeRequest } from "../../server/node-http.ts";

/** How the messages of an RPC stand in the body of its request. */
export interface RpcForm {
  /** Whether each message comes in an envelope; otherwise the body is the message. */
  readonly isEnveloped: boolean;
  readonly isJson: boolean;
  /** Whether the body, or each message whose envelope says so, is gzip. */
  readonly isPacked: boolean;
}

/** Headers that say how a message, or the whole of a unary Connect call, is packed. */
const encodingHeaders = ["content-encoding", "connect-content-encoding", "grpc-encoding"] as const;

/**
 * Finds out how to read a request; by the library's own parsers, since the library reads the messages after us.
 *
 * @returns undefined where no protocol knows the content type: nothing is read then
 * @throws UnsupportedMediaError if anything is packed otherwise than by gzip, or twice
 */
export function rpcFormOf(request: NodeRequest): RpcForm | undefined {
  const packed = new Map(
    encodingHeaders.map((name) => [name, isGzip(headerOf(request, name), name)]),
  );
  const contentType = headerOf(request, "content-type") ?? "";
  const connect = connectForm(contentType);
  if (connect) {
    const { stream: isEnveloped, binary } = connect;
    const encoding = isEnveloped ? "connect-content-encoding" : "content-encoding";
    return { isEnveloped, isJson: !binary, isPacked: packed.get(encoding) === true };
  }
  const grpc = grpcForm(contentType) ?? grpcWebForm(contentType);
  if (!grpc) return undefined;
  return {
    isEnveloped: true,
    isJson: !grpc.binary,
    isPacked: packed.get("grpc-encoding") === true,
  };
}

/** The headers of a request whose body the library is handed as plain messages, with time-outs that a timer takes. */
export function plainHeaders(header: Headers): Headers {
  const plain = new Headers(header);
  for (const name of [...encodingHeaders, "content-length"]) plain.delete(name);
  cutTimeouts(plain);
  return plain;
}

/**
 * Cuts the time-outs of gRPC and Connect to what a timer takes: Connect starts one with what the caller says, and it
 * would fire at once. What is malformed stays for Connect to reject.
 */
export function cutTimeouts(headers: Headers): void {
  const timeoutMs = parseTimeout(headers.get("grpc-timeout") ?? "") ?? 0;
  if (timeoutMs > maxTimerDelayMs) headers.set("grpc-timeout", formatTimeout(maxTimerDelayMs));
  const connectTimeout = headers.get("connect-timeout-ms") ?? "";
  if (/^\d{1,10}$/.test(connectTimeout) && Number(connectTimeout) > maxTimerDelayMs) {
    headers.set("connect-timeout-ms", String(maxTimerDelayMs));
  }
}
