import { readFileSync } from "node:fs";
import http from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startAnsweringGateway } from "../support/answering-gateway.ts";
import { samplePicture } from "../support/pictures.ts";
import type { RunningGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  const origins = [
    "https://App.Example:443",
    "https://*.example.com",
    "http://*.staging.example:8080",
    "https://bücher.example",
    "capacitor://localhost",
    "tauri://localhost",
    "chrome-extension://abcdefghijklmnop",
    "file://",
    "null",
    "http://localhost:*",
    "http://[::1]:*",
    "https://*.ports.example:*",
  ];
  running = await startAnsweringGateway({ crossSite: { origins } });
});
afterAll(() => running[Symbol.asyncDispose]());

interface Answer {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
}

/** `fetch` sets Origin itself, so this is by hand. */
function ask(headers: Record<string, string>, { method = "POST", path = classify } = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const request = http.request(`${running.url}${path}`, { method, headers, agent: false });
    request.on("error", reject);
    request.on("response", (response) => {
      response.resume();
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers }));
    });
    request.end(method === "POST" ? samplePicture("star") : undefined);
  });
}

const classify = "/v1/classify/shapes";
const paths = [
  classify,
  "/tensorgate.v1.ScoringService/Classify",
  "/v1/models/shapes",
  "/v1/nothing",
];

const namesIn = (list: string | undefined) => list?.split(", ") ?? [];
const preflight = (path: string) =>
  ask(
    { origin: "https://app.example", "access-control-request-method": "POST" },
    { method: "OPTIONS", path },
  );

/** The headers of a table of the page on protocols, which begins with this row. */
function documentedHeaders(begin: string): readonly string[] {
  const page = readFileSync(new URL("../../docs/protocols.md", import.meta.url), "utf8");
  const [, table = ""] = page.split(`${begin}\n|---|---|\n`);
  const rows = table.split("\n\n", 1)[0]?.split("\n") ?? [];
  return rows.flatMap((row) =>
    [...(row.split("|")[1] ?? "").matchAll(/`([a-z0-9-]+)(:[^`]*)?`/g)].map(
      ([, name = ""]) => name,
    ),
  );
}

describe("the preflight of a page", () => {
  // https://github.com/whatwg/fetch/issues/911 and https://github.com/DataDog/dd-trace-js/issues/9779: a page whose
  // instrumentation adds the headers of a trace can call no more, since the preflight does not list them.
  test.each(paths)(
    "to %s lists the headers of traces and every other that is read",
    async (path) => {
      const { status, headers } = await preflight(path);

      expect(status).toBe(204);
      expect(headers).not.toHaveProperty("content-length");
      const allowed = namesIn(headers["access-control-allow-headers"]);
      expect(allowed).toEqual(
        expect.arrayContaining([
          ...["traceparent", "tracestate", "baggage", "content-encoding"],
          // By which gRPC-Web calls of TensorFlow Serving's API choose a model.
          "x-ms-aml-grpc-service-route",
        ]),
      );
      expect(documentedHeaders("| request header | what |").length).toBeGreaterThan(10);
      expect(allowed).toEqual(
        expect.arrayContaining([...documentedHeaders("| request header | what |")]),
      );
      expect(allowed).toEqual([...allowed].sort());
    },
  );

  test("and its answers expose every header that the page on protocols names", async () => {
    const { headers } = await ask({ origin: "https://app.example", "x-tensorgate-trace": "1" });

    const exposed = namesIn(headers["access-control-expose-headers"]);
    expect(headers).toHaveProperty("x-tensorgate-trace");
    expect(exposed).toEqual(expect.arrayContaining(["x-tensorgate-trace"]));
    expect(exposed).toEqual(
      expect.arrayContaining([...documentedHeaders("| response header | what |")]),
    );
  });
});

describe("origins", () => {
  // https://github.com/ory/x/issues/675 and https://github.com/micronaut-projects/micronaut-core/issues/1448: an origin
  // with a star in it is taken by the configuration, and matches nothing.
  test.each([
    "https://app.example",
    "https://a.example.com",
    "https://a.b-1.example.com",
    "http://x.staging.example:8080",
    "https://xn--bcher-kva.example",
    "capacitor://localhost",
    "tauri://localhost",
    "chrome-extension://abcdefghijklmnop",
    "file://",
    "null",
    "http://localhost",
    "http://localhost:5173",
    "http://[::1]:8080",
    "https://a.ports.example:1",
  ])("%s may call, and read the answer", async (origin) => {
    const { status, headers } = await ask({ origin });

    expect(status).toBe(200);
    expect(headers).toMatchObject({ "access-control-allow-origin": origin, vary: "origin" });
  });

  test.each([
    "https://example.com",
    "https://evilexample.com",
    "https://evil.example/.example.com",
    "https://.example.com",
    "https://a.example.com.evil.example",
    "https://a.example.com:8443",
    "http://a.example.com",
    "https://x.staging.example:8080",
    "http://x.staging.example",
    "capacitor://other",
    "https://localhost",
    "http://localhost:",
    "http://localhost:x",
    "http://localhost:1.evil.example",
    "http://localhost.evil.example:80",
    "https://ports.example:1",
    "https://a.ports.example.evil.example:1",
  ])("%s may not", async (origin) => {
    const { status, headers } = await ask({ origin });

    expect(status).toBe(403);
    // It can read why, and nothing else.
    expect(headers).toHaveProperty("access-control-expose-headers", "x-request-id");
    expect(headers).toHaveProperty("vary", "origin");
  });

  test("an answer that no page asked for is not kept by a cache for one", async () => {
    const { headers } = await ask({}, { method: "GET", path: "/v1/catalog" });

    expect(headers).toHaveProperty("vary", "origin");
  });
});
