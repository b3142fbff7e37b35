import type { ContextValues } from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
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
    // gRPC joins headers and trailers of a call that failed before its first message, and of no other.
    isTrailersOnly: (trailers) => trailers["grpc-status"] !== "0",
  });
}

/**
 * The request as the library takes it, but for its body. The library makes a URL of it, of which only the path counts, and
 * gives up without an answer if the host is none that a URL has. So it gets one that every URL has; the real one is for the
 * access layers.
 *
 * Written here rather than taken from `@connectrpc/connect-node`: see `docs/decisions/0082-what-a-start-loads.md`.
 */
export function universalRequest(
  request: NodeRequest,
  response: NodeResponse,
  contextValues: ContextValues,
): Omit<UniversalServerRequest, "body"> {
  const closed = new AbortController();
  response.once("close", () => closed.abort());
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? "",
    url: new URL(request.url ?? "", "http://localhost").toString(),
    header: headersOf(request.headers),
    signal: closed.signal,
    contextValues,
  };
}

/** Without what HTTP/2 has in place of a request line (`:path` and others). */
function headersOf(fields: NodeRequest["headers"]): Headers {
  const headers = new Headers();
  for (const [name, value = []] of Object.entries(fields)) {
    if (name.startsWith(":")) continue;
    for (const each of Array.isArray(value) ? value : [value]) headers.append(name, each);
  }
  return headers;
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
