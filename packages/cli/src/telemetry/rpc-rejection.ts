import type http from "node:http";
import { encodeMessage, grpcCode } from "@tensorgate/grpc";

export interface RpcRejection {
  readonly status: 403 | 404 | 415;
  readonly message: string;
}

/** What gRPC and Connect call these codes of HTTP. */
const codes = {
  403: { grpc: grpcCode.PERMISSION_DENIED, connect: "permission_denied" },
  404: { grpc: grpcCode.UNIMPLEMENTED, connect: "unimplemented" },
  415: { grpc: grpcCode.INVALID_ARGUMENT, connect: "invalid_argument" },
} as const;

/** Refuses a call of a method in the form of its protocol: gRPC and gRPC-Web, or Connect. */
export function sendRpcRejection(
  { headers }: http.IncomingMessage,
  response: http.ServerResponse,
  { status, message }: RpcRejection,
): void {
  const { grpc, connect } = codes[status];
  const type = headers["content-type"] ?? "";
  if (isGrpc(type)) {
    response.writeHead(200, {
      "content-type": type,
      "grpc-status": String(grpc),
      "grpc-message": encodeMessage(message),
    });
    response.end();
    return;
  }
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify({ code: connect, message }));
}

export const isGrpc = (contentType: string): boolean => contentType.startsWith("application/grpc");
