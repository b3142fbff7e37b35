import type http from "node:http";
import { createAdminListener } from "./admin-listener.ts";
import { adminPath } from "./admin-path.ts";
import { localRefusal } from "./local-caller.ts";
import { isGrpc, sendRpcRejection } from "./rpc-rejection.ts";

/** A route of the admin port. */
export interface AdminRoute {
  readonly method: "GET" | "POST" | "DELETE";
  /** A path; `:name` in it matches any one segment. */
  readonly path: string;
  /** Whether only programs on this machine may call it, and no web page. */
  readonly isLocal: boolean;
  /** Whether it is a method of gRPC and Connect, which says itself what content types it takes. */
  readonly isRpc?: boolean;
  handle(call: AdminCall): void | Promise<void>;
}

export interface AdminCall {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  /** Segments for the names in the path, in order, decoded. */
  readonly segments: readonly string[];
}

export interface AdminServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Creates a route that returns `value` as JSON to programs on this machine. */
export function jsonRoute(path: string, value: () => object): AdminRoute {
  return {
    method: "GET",
    path,
    isLocal: true,
    handle: ({ response }) => sendJson(response, 200, value()),
  };
}

/**
 * Starts the admin port, for operators. It is on loopback by default, since it needs no key.
 *
 * @param forward - handles what no route does, for programs on this machine; 404 without it
 * @throws the error of the system if the port is in use
 */
export async function startAdminServer(
  { host, port }: { readonly host: string; readonly port: number },
  routes: readonly AdminRoute[],
  forward?: (call: AdminCall) => Promise<void>,
): Promise<AdminServer> {
  const list = routes.map(({ method, path }) => `${method} ${path}`).join(", ");

  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse) => {
    const found = routes.flatMap((route) => {
      const segments = adminPath(route.path, request.url ?? "");
      return segments ? [{ route, segments }] : [];
    });
    const match = found.find(({ route }) => route.method === request.method);
    const isForwarded = found.length === 0 && forward !== undefined;
    if (!match && !isForwarded) {
      const message = `routes: ${list}`;
      if (isGrpc(request.headers["content-type"] ?? "")) {
        return sendRpcRejection(request, response, { status: 404, message });
      }
      return sendText(response, found.length > 0 ? 405 : 404, `${message}\n`);
    }
    const isRpc = match?.route.isRpc ?? false;
    const refusal = match?.route.isLocal === false ? undefined : localRefusal(request, isRpc);
    if (refusal && isRpc) return sendRpcRejection(request, response, refusal);
    if (refusal) return sendJson(response, refusal.status, { error: refusal.message });
    if (match) answer(match.route.handle, { request, response, segments: match.segments });
    else if (forward) answer(forward, { request, response, segments: [] });
  };

  const listener = createAdminListener(onRequest);
  const { port: bound } = await listener.listen({ host, port });
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    close: listener.close,
  };
}

/** Handles a call; the response to a failure has its message, since callers are operators. */
function answer(handle: AdminRoute["handle"], call: AdminCall): void {
  const failed = (thrown: unknown) => {
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    if (call.response.headersSent) call.response.destroy();
    else sendJson(call.response, 500, { error });
  };
  try {
    void Promise.resolve(handle(call)).catch(failed);
  } catch (thrown) {
    failed(thrown);
  }
}

export function sendText(response: http.ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain" });
  response.end(text);
}

export function sendJson(response: http.ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}
