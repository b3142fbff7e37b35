import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { restErrorBody } from "@tensorgate/tf-serving";
import { weightsHeader } from "../service/unary-method.ts";
import type { RestAnswer, RestRequest } from "./rest-api.ts";

export interface RestServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Whether browsers of other origins may read the answers. */
  readonly enablesCors: boolean;
  /** The page of metrics, if there is one. */
  readonly metrics?: { readonly path: string; readonly text: () => string } | undefined;
}

/** The port of the REST API. */
export interface RestServer {
  readonly port: number;
  /** Stops accepting connections and finishes those calls that are in flight; cuts them after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Most bytes of a body; as many as its tensors may have in memory. */
const maxBodyBytes = 1_073_741_824;

/** Most bytes that a compressed body may have when it is unpacked. */
const maxInflatedBytes = 104_857_600;

/** Methods that the original's server knows; of these only GET and POST have routes. */
const knownMethods: ReadonlySet<string> = new Set([
  ...["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"],
]);

const corsHeaders: OutgoingHttpHeaders = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "POST, GET",
  "access-control-allow-headers": "Content-Type",
};

/**
 * Opens the port of the REST API, and answers what is not below `/v1/` as TensorFlow Serving's server does.
 *
 * @throws the system's error if the port cannot be opened
 */
export function listenRest(
  answer: (request: RestRequest) => Promise<RestAnswer>,
  { host, port, enablesCors, metrics }: RestServerOptions,
): Promise<RestServer> {
  const cors = enablesCors ? corsHeaders : {};

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", headers } = request;
    const target = pathOf(request.url ?? "/");
    if (!knownMethods.has(method)) return page(response, 501, "Not Implemented");
    if (metrics && target.split("?", 1)[0] === metrics.path) {
      // Other servers ignore a query; the original does not.
      const isExact = target === metrics.path;
      const text = isExact
        ? metrics.text()
        : `Unexpected path: ${target}. Should be ${metrics.path}`;
      return send(response, isExact ? 200 : 400, { "content-type": "text/plain" }, text);
    }
    if (!/^\/v1\//i.test(target)) return page(response, 404, "Not Found");
    if (method === "OPTIONS") {
      const status = isWebOrigin(headers) ? 200 : 400;
      return send(response, status, { ...cors, "content-type": htmlType }, "");
    }
    const bytes = await bodyOf(request);
    const json = { ...cors, "content-type": "application/json" };
    if (!bytes) {
      const text = restErrorBody(`the body is longer than ${maxBodyBytes} bytes`);
      return send(response, 413, { ...json, connection: "close" }, text);
    }
    const body = await inflated(bytes, headers);
    const isAbandoned = () => response.destroyed;
    const { status, body: text, weights } = await answer({ method, target, body, isAbandoned });
    send(response, status, { ...json, ...weightsHeader(weights) }, text);
  }

  const server = createServer({ noDelay: true }, (request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable) return void socket.destroy();
    // A method that Node's parser does not know never becomes a request.
    const isMethod = error.code === "HPE_INVALID_METHOD";
    const [status, title] = isMethod ? [501, "Not Implemented"] : [400, "Bad Request"];
    const html = pageHtml(status, title);
    socket.end(
      `HTTP/1.1 ${status} ${title}\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: ${html.length}\r\n\r\n${html}`,
    );
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen({ host, port }, () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address ? address.port : port,
        close: (graceMs) =>
          new Promise((done) => {
            const cut = setTimeout(() => server.closeAllConnections(), graceMs);
            server.close(() => {
              clearTimeout(cut);
              done();
            });
            server.closeIdleConnections();
          }),
      });
    });
  });
}

const htmlType = "text/html; charset=ISO-8859-1";

/** A page as libevent answers what it does not hand on. */
function page(response: ServerResponse, status: number, title: string): void {
  const headers = { "content-type": "text/html", connection: "close" };
  send(response, status, headers, pageHtml(status, title));
}

function pageHtml(status: number, title: string): string {
  return `<HTML><HEAD>\n<TITLE>${status} ${title}</TITLE>\n</HEAD><BODY>\n<H1>${title}</H1>\n</BODY></HTML>\n`;
}

function send(
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: Uint8Array | string,
): void {
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

/** Without scheme and host, which clients write for a proxy. */
function pathOf(url: string): string {
  return url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, "");
}

function isWebOrigin({ origin = "" }: IncomingHttpHeaders): boolean {
  return origin.includes("http://") || origin.includes("https://");
}

/** @returns undefined for a body that is too long */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let byteLength = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    byteLength += chunk.byteLength;
    if (byteLength > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, byteLength);
}

const unzip = promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip);

/** To the original a compressed body that cannot be unpacked is no body at all. */
async function inflated(body: Buffer, headers: IncomingHttpHeaders): Promise<Uint8Array> {
  if (!headers["content-encoding"]?.includes("gzip")) return body;
  return unzip(body, { maxOutputLength: maxInflatedBytes }).catch(() => new Uint8Array());
}
