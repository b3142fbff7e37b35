import http from "node:http";
import type { AddressInfo } from "node:net";

/** Answers a request of the admin port, or returns false. */
export type AdminRoute = (request: http.IncomingMessage, response: http.ServerResponse) => void;

export interface AdminServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Answers with what `value` gives. */
export function jsonRoute(value: () => unknown): AdminRoute {
  return (_request, response) => {
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(`${JSON.stringify(value())}\n`);
  };
}

/**
 * The second port, for whoever runs the gateway: loopback by default, since nobody is asked for a key.
 *
 * @param routes - by path, answering GET
 * @throws the system's error if the port is taken
 */
export async function startAdminServer(
  { host, port }: { readonly host: string; readonly port: number },
  routes: ReadonlyMap<string, AdminRoute>,
): Promise<AdminServer> {
  const server = http.createServer({ requestTimeout: 10_000, headersTimeout: 10_000 });
  server.on("request", (request, response) => {
    const route = routes.get((request.url ?? "").split("?", 1)[0] ?? "");
    if (route && request.method === "GET") return route(request, response);
    response.writeHead(route ? 405 : 404, { "content-type": "text/plain" });
    response.end(`here are: GET ${[...routes.keys()].join(", GET ")}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
