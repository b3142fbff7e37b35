import { parseContentType as connectForm } from "@connectrpc/connect/protocol-connect";
import { parseContentType as grpcForm } from "@connectrpc/connect/protocol-grpc";
import { parseContentType as grpcWebForm } from "@connectrpc/connect/protocol-grpc-web";
import { maxTimerDelayMs } from "@tensorgate/core";
import { formatTimeout, parseTimeout } from "@tensorgate/grpc";
import { contentCoding, headerOf, unsupportedEncoding } from "../../server/exchange.ts";
import type { NodeRequest } from "../../server/node-http.ts";

/** How the messages of an RPC stand in the body of its request. */
export interface RpcForm {
  /** Whether each message comes in an envelope; otherwise the body is the message. */
  readonly isEnveloped: boolean;
  readonly isJson: boolean;
  /** Whether all of the body, and of the answer's, is base64. */
  readonly isText: boolean;
  /** Whether the body, or each message whose envelope says so, is gzip. */
  readonly isPacked: boolean;
}

/** Headers that say how a message, or the whole of a unary Connect call, is packed. */
const encodingHeaders = ["content-encoding", "connect-content-encoding", "grpc-encoding"] as const;

/**
 * Determines how to read a request, with the parsers of the library that reads the messages afterwards.
 *
 * @returns undefined where no protocol knows the content type: nothing is read then
 */
export function rpcFormOf(request: NodeRequest): RpcForm | undefined {
  const contentType = headerOf(request, "content-type") ?? "";
  const isGzip = (name: (typeof encodingHeaders)[number]) =>
    contentCoding(headerOf(request, name)) === "gzip";
  const connect = connectForm(contentType);
  if (connect) {
    const { stream: isEnveloped, binary } = connect;
    const isPacked = isGzip(isEnveloped ? "connect-content-encoding" : "content-encoding");
    return { isEnveloped, isJson: !binary, isText: false, isPacked };
  }
  const web = grpcWebForm(contentType);
  const grpc = grpcForm(contentType) ?? web;
  if (!grpc) return undefined;
  const isText = web?.text === true;
  return { isEnveloped: true, isJson: !grpc.binary, isText, isPacked: isGzip("grpc-encoding") };
}

/**
 * @throws UnsupportedMediaError if anything is compressed otherwise than by gzip, or twice
 */
export function assertKnownEncodings(request: NodeRequest): void {
  for (const name of encodingHeaders) {
    const encoding = headerOf(request, name);
    if (contentCoding(encoding) !== undefined) continue;
    throw unsupportedEncoding(encoding ?? "", name);
  }
}

/** The header by which an answer lists the compressions that requests may have. */
export function acceptHeader(request: NodeRequest): Readonly<Record<string, string>> {
  const contentType = headerOf(request, "content-type") ?? "";
  if (contentType.startsWith("application/grpc")) return { "grpc-accept-encoding": "gzip" };
  const isStream = contentType.startsWith("application/connect+");
  return { [isStream ? "connect-accept-encoding" : "accept-encoding"]: "gzip" };
}

/** The headers of a request whose body the library reads as plain messages, with timeouts that a timer takes. */
export function plainHeaders(header: Headers, form: RpcForm | undefined): Headers {
  const plain = new Headers(header);
  if (form?.isText) plain.set("content-type", webType(form));
  for (const name of [...encodingHeaders, "content-length"]) plain.delete(name);
  cutTimeouts(plain);
  return plain;
}

/** The type of gRPC-Web's messages in bytes. */
function webType({ isJson }: RpcForm): string {
  return `application/grpc-web+${isJson ? "json" : "proto"}`;
}

/**
 * Cuts the timeouts of gRPC and Connect to what a timer takes: Connect starts one with what the caller says, and it
 * would fire immediately. What is malformed stays for Connect to reject.
 */
export function cutTimeouts(headers: Headers): void {
  const timeoutMs = parseTimeout(headers.get("grpc-timeout") ?? "") ?? 0;
  if (timeoutMs > maxTimerDelayMs) headers.set("grpc-timeout", formatTimeout(maxTimerDelayMs));
  const connectTimeout = headers.get("connect-timeout-ms") ?? "";
  if (/^\d{1,10}$/.test(connectTimeout) && Number(connectTimeout) > maxTimerDelayMs) {
    headers.set("connect-timeout-ms", String(maxTimerDelayMs));
  }
}
