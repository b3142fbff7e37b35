import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { openTelemetry } from "./open-telemetry.ts";

afterEach(() => vi.unstubAllEnvs());

/** A collector that remembers what it was sent. */
async function collector() {
  const received: { path: string; bytes: number; text: string }[] = [];
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      received.push({
        path: request.url ?? "",
        bytes: body.length,
        text: body.toString("latin1"),
      });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function useAndClose(): Promise<void> {
  const telemetry = await openTelemetry();
  telemetry.meterProvider.getMeter("test").createCounter("test.count").add(1);
  telemetry.tracerProvider?.getTracer("test").startSpan("test-span").end();
  await telemetry.close();
}

test("an endpoint turns on the export of spans and metrics, under the name of the service", async () => {
  await using to = await collector();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", to.url);
  vi.stubEnv("OTEL_SERVICE_NAME", "my-gateway");

  await useAndClose();

  expect(to.received.map(({ path }) => path).toSorted()).toEqual(["/v1/metrics", "/v1/traces"]);
  const textOf = (path: string) => to.received.find((each) => each.path === path)?.text;
  expect(textOf("/v1/traces")).toContain("test-span");
  expect(textOf("/v1/traces")).toContain("my-gateway");
  expect(textOf("/v1/metrics")).toContain("test.count");
});

test("one of them can be turned off, and the sampler is asked", async () => {
  await using to = await collector();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", to.url);
  vi.stubEnv("OTEL_METRICS_EXPORTER", "none");
  vi.stubEnv("OTEL_TRACES_SAMPLER", "always_off");

  await useAndClose();

  expect(to.received).toEqual([]);
});

test("without an endpoint there are no spans", async () => {
  expect((await openTelemetry({})).tracerProvider).toBeUndefined();
});

test("a lost collector does not delay closing", async () => {
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
  vi.stubEnv("OTEL_EXPORTER_OTLP_TIMEOUT", "200");

  await useAndClose();
});

test.each([
  { OTEL_TRACES_EXPORTER: "jaeger" },
  { OTEL_EXPORTER_OTLP_TIMEOUT: "3000000000" },
  { OTEL_BSP_SCHEDULE_DELAY: "soon" },
  { OTEL_TRACES_EXPORTER: "otlp", OTEL_TRACES_SAMPLER: "sometimes" },
  { OTEL_TRACES_EXPORTER: "otlp", OTEL_TRACES_SAMPLER_ARG: "2" },
])("%j is rejected", async (env) => {
  await expect(openTelemetry(env)).rejects.toThrow("OTEL_");
});
