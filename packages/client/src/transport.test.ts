import { once } from "node:events";
import { createServer, setGlobalProxyFromEnv } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { ScoringClient } from "./index.ts";

test("calls use the proxy of the process", async () => {
  const requested: (string | undefined)[] = [];
  const proxy = createServer((request, response) => {
    requested.push(request.url);
    response.setHeader("content-type", "application/proto").end();
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const { port } = proxy.address() as AddressInfo;
  const restore = setGlobalProxyFromEnv({ http_proxy: `http://127.0.0.1:${port}` });
  onTestFinished(() => {
    restore();
    proxy.close();
  });
  await using client = new ScoringClient({ baseUrl: "http://gateway.invalid/base" });

  expect(await client.models.list()).toEqual([]);

  expect(requested).toEqual([
    "http://gateway.invalid/base/tensorgate.v1.CatalogService/ListModels",
  ]);
});
