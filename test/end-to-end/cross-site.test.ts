import http from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway({ crossSite: { origins: ["https://app.example"] } });
});
afterAll(() => running[Symbol.asyncDispose]());

interface Answer {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** `fetch` sets Host and Origin itself, so this is by hand. */
function ask(
  headers: Record<string, string>,
  method = "POST",
  path = "/v1/classify/shapes",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const url = `${running.url}${path}`;
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, body }),
      );
    });
    request.on("error", reject);
    request.end(method === "POST" ? samplePicture("star") : undefined);
  });
}

const port = () => new URL(running.url).port;

test.each([
  { name: "no origin", headers: () => ({}) },
  { name: "the own origin", headers: () => ({ origin: running.url }) },
  {
    name: "localhost as its own origin",
    headers: () => ({ host: `localhost:${port()}`, origin: `http://localhost:${port()}` }),
  },
  { name: "a configured origin", headers: () => ({ origin: "https://app.example" }) },
])("a call with $name is answered", async ({ headers }) => {
  expect((await ask(headers())).status).toBe(200);
});

test.each<{ name: string; headers: Record<string, string>; field: string }>([
  { name: "a foreign origin", headers: { origin: "https://evil.example" }, field: "origin" },
  { name: "the origin of a sandboxed page", headers: { origin: "null" }, field: "origin" },
  {
    name: "a form's post of a foreign page",
    headers: { origin: "https://evil.example", "content-type": "text/plain" },
    field: "origin",
  },
  { name: "a name that was re-bound to us", headers: { host: "evil.example" }, field: "host" },
  {
    name: "a re-bound name as its own origin",
    headers: { host: "evil.example", origin: "http://evil.example" },
    field: "host",
  },
])("$name is refused", async ({ headers, field }) => {
  const { status, body, headers: answered } = await ask(headers);

  expect(status).toBe(403);
  expect(JSON.parse(body)).toMatchObject({ reason: "forbidden", field });
  // A page can read why its origin is refused, and no more; a name that is not ours gets nothing.
  const cors = Object.entries(answered).filter(([name]) => name.startsWith("access-control-"));
  expect(Object.fromEntries(cors)).toEqual(
    field === "origin"
      ? {
          "access-control-allow-origin": headers["origin"],
          "access-control-expose-headers": "x-request-id",
        }
      : {},
  );
  if (field === "origin") expect(answered).toHaveProperty("vary", "origin");
});

test("a preflight of a configured origin gets the exact lists", async () => {
  const { status, headers } = await ask(
    { origin: "https://app.example", "access-control-request-method": "POST" },
    "OPTIONS",
  );

  expect(status).toBe(204);
  expect(headers).toMatchObject({
    "access-control-allow-origin": "https://app.example",
    "access-control-allow-methods": "GET, POST, PUT",
    "access-control-max-age": "7200",
    vary: "origin",
  });
  expect(headers["access-control-allow-headers"]).toContain("connect-protocol-version");
  expect(headers).not.toHaveProperty("access-control-allow-credentials");
});

test("a page of a configured origin may read the headers of the reply", async () => {
  const { headers } = await ask({ origin: "https://app.example" });

  expect(headers["access-control-expose-headers"]).toContain("grpc-status");
  expect(headers).not.toHaveProperty("access-control-allow-credentials");
});

test("a foreign origin passes the preflight, whatever the path, so that it can read the refusal", async () => {
  const origin = "https://evil.example";

  const { status, headers } = await ask(
    { origin, "access-control-request-method": "POST" },
    "OPTIONS",
  );

  expect(status).toBe(204);
  expect(headers).toMatchObject({ "access-control-allow-origin": origin, vary: "origin" });
});

test.each([
  { name: "REST", path: "/v1/classify/shapes", contentType: "image/jpeg" },
  { name: "no route", path: "/nowhere", contentType: "image/jpeg" },
  {
    name: "Connect",
    path: "/tensorgate.v1.CatalogService/ListModels",
    contentType: "application/json",
  },
])("the refusal of an origin can be read in the form of $name", async ({ path, contentType }) => {
  const origin = "https://evil.example";

  const { status, headers, body } = await ask(
    { origin, "content-type": contentType },
    "POST",
    path,
  );

  expect(status).toBe(403);
  expect(headers).toHaveProperty("access-control-allow-origin", origin);
  expect(body).toContain("is not allowed");
});
