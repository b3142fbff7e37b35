import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A web server of somebody else, with a page that has the browser client of a gateway. */
export interface ForeignServer extends AsyncDisposable {
  readonly origin: string;
  /** Address of a page that uses `gateway`: `window.tensorgate` and `window.client` are there when it says so. */
  pageFor(gateway: string): string;
}

const examples = new URL("../../../examples/pictures/", import.meta.url);

/** @param files - more that it serves, by path */
export async function startForeignServer(
  files: Readonly<Record<string, Uint8Array | string>> = {},
): Promise<ForeignServer> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const name = /^\/pictures\/([\w-]+\.jpg)$/.exec(url.pathname)?.[1];
    const own = files[url.pathname];
    if (own) {
      if (url.pathname.endsWith(".html")) response.setHeader("content-type", "text/html");
      if (url.pathname.endsWith(".js")) response.setHeader("content-type", "text/javascript");
      return response.end(own);
    }
    if (name) return response.end(readFileSync(new URL(name, examples)));
    const gateway = url.searchParams.get("gateway");
    response.setHeader("content-type", "text/html");
    return response.end(gateway === null ? "" : pageText(gateway));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    pageFor: (gateway) => `${origin}/?gateway=${encodeURIComponent(gateway)}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function pageText(gateway: string): string {
  return `<!doctype html><title>Elsewhere</title><body><script type="module">
    import * as tensorgate from "${gateway}/web-client.js";
    window.tensorgate = tensorgate;
    window.client = new tensorgate.ScoringClient({ baseUrl: "${gateway}" });
    document.body.dataset.ready = "yes";
  </script></body>`;
}
