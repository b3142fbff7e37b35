import type { ContextValues } from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import { decodeMessage, encodeMessage } from "@tensorgate/grpc";
import type { NodeRequest, NodeResponse } from "../../../server/node-http.ts";
import { sendStream } from "../../../server/reply.ts";
import { acceptHeader, type RpcForm } from "./body.ts";
import { encodedPieces } from "./web-text.ts";

/** Writes what the library answers. */
export async function sendAnswer(
  { request, response }: { readonly request: NodeRequest; readonly response: NodeResponse },
  answer: UniversalServerResponse,
  form: RpcForm | undefined,
): Promise<void> {
  const pieces = answer.body ?? [];
  await sendStream(response, {
    status: answer.status,
    headers: {
      ...fieldsOf(answer.header),
      ...acceptHeader(request),
      ...(form?.isText && { "content-type": request.headers["content-type"] ?? "" }),
    },
    body: form?.isText ? encodedPieces(pieces) : pieces,
    trailers: () => fieldsOf(answer.trailer),
    // gRPC joins headers and trailers of a call that failed at once, and of no other.
    isTrailersOnly: (trailers) => trailers["grpc-status"] !== "0",
  });
}

/**
 * The request as the library takes it. The library makes a URL of it, of which only the path counts, and gives up
 * without an answer if there is no host, as in HTTP/1.0, or none that a URL has. So it gets one that every URL has; the
 * real one is for the access layers.
 */
export function universalRequest(
  request: NodeRequest,
  response: NodeResponse,
  values: ContextValues,
): UniversalServerRequest {
  const headers: Record<string, string | string[] | undefined> = request.headers;
  const { host, ":authority": authority } = headers;
  headers["host"] = "localhost";
  delete headers[":authority"];
  try {
    return universalRequestFromNodeRequest(request, response, undefined, values);
  } finally {
    headers["host"] = host;
    if (authority !== undefined) headers[":authority"] = authority;
  }
}

/**
 * The fields of an answer. The library escapes more of a status message than gRPC asks for, and grpc-js, which takes
 * back less, would show it like that.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, Status-Message
 */
function fieldsOf(headers: Headers | undefined): Readonly<Record<string, string>> {
  const fields = Object.fromEntries(headers ?? []);
  const message = fields["grpc-message"];
  if (message === undefined) return fields;
  return { ...fields, "grpc-message": encodeMessage(decodeMessage(message)) };
}
