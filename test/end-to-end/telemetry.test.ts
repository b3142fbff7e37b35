import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { CallRecord } from "@tensorgate/gateway";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { startGateway, startShapesGateway } from "../support/running-gateway.ts";

const star = samplePicture("star");
const traceId = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

function recorder() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const spans = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
  });
  const records: CallRecord[] = [];
  return {
    parts: { meterProvider, tracerProvider, onCall: (record: CallRecord) => records.push(record) },
    spans: () => spans.getFinishedSpans(),
    records,
    /** Points of a metric, by name. */
    points: async (name: string) => {
      exporter.reset();
      await meterProvider.forceFlush();
      return exporter
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics)
        .flatMap(({ metrics }) => metrics)
        .filter(({ descriptor }) => descriptor.name === name)
        .flatMap(({ dataPoints }): readonly { attributes: object; value: unknown }[] => dataPoints);
    },
  };
}

test("a call is a span under its caller's, an attempt a span under it, and the replica gets its context", async () => {
  const { parts, spans, records } = recorder();
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] }, {}, parts);

  const headers = { traceparent };
  const answer = fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    headers,
    body: star,
  });
  const { headers: sent, answer: reply } = await replica.nextPredict();
  reply(3, "bad picture");
  expect((await answer).status).toBe(400);

  const [attempt, call] = spans();
  expect(call).toMatchObject({ name: "POST /v1/classify/{model}" });
  expect(call?.spanContext().traceId).toBe(traceId);
  expect(call?.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
  expect(attempt?.parentSpanContext?.spanId).toBe(call?.spanContext().spanId);
  expect(sent["traceparent"]).toBe(`00-${traceId}-${attempt?.spanContext().spanId}-01`);
  expect(records).toMatchObject([
    {
      reason: "upstream-answered",
      traceId,
      attempts: 1,
      message: "bad picture",
      askedModel: "shapes",
    },
  ]);
});

test("calls, durations, bytes and attempts are counted, by model, version, region, protocol and reason", async () => {
  const { parts, points, records } = recorder();
  await using running = await startShapesGateway({}, parts);
  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));
  const post = (path: string) => fetch(`${running.url}${path}`, { method: "POST", body: star });

  await post("/v1/classify/shapes");
  await post("/v1/classify/any-name-that-a-stranger-invents");
  await client.classify({
    modelSpec: { name: "shapes" },
    pictures: [{ source: { case: "data", value: star } }],
  });
  await fetch(`${running.url}/livez`);

  const answered = { model: "shapes", version: "1", region: "westeurope", reason: "ok" };
  expect(await points("tensorgate.calls")).toMatchObject([
    { attributes: { ...answered, protocol: "rest" }, value: 1 },
    {
      attributes: { model: "", version: "", region: "", protocol: "rest", reason: "unknown-model" },
      value: 1,
    },
    { attributes: { ...answered, protocol: "grpc" }, value: 1 },
  ]);
  expect(await points("tensorgate.calls.in_flight")).toMatchObject([{ value: 0 }]);
  expect(await points("tensorgate.call.duration")).toMatchObject([{ value: { count: 1 } }, {}, {}]);
  expect(await points("tensorgate.attempts")).toMatchObject([
    { attributes: { model: "shapes", region: "westeurope", reason: "ok" }, value: 2 },
  ]);
  expect(await points("tensorgate.bytes.received")).toMatchObject([
    // The picture for the unknown model is not read.
    { attributes: { protocol: "rest" }, value: star.length },
    { attributes: { protocol: "grpc" } },
  ]);
  expect(await points("tensorgate.replicas")).toContainEqual(
    expect.objectContaining({
      attributes: { model: "shapes", region: "westeurope", state: "ready" },
      value: 1,
    }),
  );
  expect(await points("tensorgate.replica.changes")).toContainEqual(
    expect.objectContaining({
      attributes: { model: "shapes", region: "westeurope", to: "ready" },
      value: 1,
    }),
  );
  expect(records).toMatchObject([
    {
      protocol: "rest",
      reason: "ok",
      model: "shapes",
      version: "1",
      region: "westeurope",
      receivedBytes: star.length,
    },
    { protocol: "rest", reason: "unknown-model", askedModel: "any-name-that-a-stranger-invents" },
    { protocol: "grpc", reason: "ok", operation: "tensorgate.v1.ScoringService/Classify" },
  ]);
  expect(records[0]?.stages).toMatchObject({ upstream: expect.any(Number) });
});

test("a call that is refused before it begins is counted too, in every protocol", async () => {
  const { parts, points } = recorder();
  const keys = [{ id: "app", sha256: "0".repeat(64), models: ["*"] }];
  await using running = await startShapesGateway({ keys }, parts);
  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));

  await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });
  await client.classify({ modelSpec: { name: "shapes" } }).catch(() => {});

  expect(await points("tensorgate.calls")).toMatchObject([
    { attributes: { protocol: "rest", reason: "unauthenticated" }, value: 1 },
    { attributes: { protocol: "grpc", reason: "unauthenticated" }, value: 1 },
  ]);
  expect(await points("tensorgate.calls.in_flight")).toMatchObject([{ value: 0 }]);
});
