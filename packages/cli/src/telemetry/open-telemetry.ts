import type { RequestListener } from "node:http";
import type {
  MeterProvider as MeterProviderApi,
  TracerProvider as TracerProviderApi,
} from "@opentelemetry/api";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import { MeterProvider, type MetricReader } from "@opentelemetry/sdk-metrics";
import { maxTimerDelayMs } from "@tensorgate/core";
import { CommandError } from "../command-error.ts";
import { version } from "../version.ts";
import { observeProcess } from "./process-metrics.ts";

export interface OpenTelemetry {
  readonly meterProvider: MeterProviderApi;
  /** Absent if no spans are exported. */
  readonly tracerProvider?: TracerProviderApi;
  /** Serves metrics to Prometheus. */
  readonly prometheus: RequestListener;
  /** Exports the remaining metrics and spans. */
  close(): Promise<void>;
}

/**
 * Sets up OpenTelemetry by `OTEL_*`, like every SDK: an endpoint enables OTLP for traces and metrics;
 * `OTEL_TRACES_EXPORTER=none` and `OTEL_METRICS_EXPORTER=none` disable one of them.
 *
 * @throws CommandError for a variable with a value that it cannot have
 * @see OpenTelemetry, "Environment Variable Specification"
 */
export async function openTelemetry(env: NodeJS.ProcessEnv = process.env): Promise<OpenTelemetry> {
  assertDurations(env);
  const prometheus = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
  const readers: MetricReader[] = [prometheus];
  if (exports("METRICS", env)) {
    const { createMetricReader } = await importOtlp();
    readers.push(createMetricReader());
  }
  const resource = defaultResource()
    .merge(resourceFromAttributes({ "service.name": "tensorgate", "service.version": version }))
    .merge(detectResources({ detectors: [envDetector] }));
  const meterProvider = new MeterProvider({ resource, readers });
  observeProcess(meterProvider.getMeter("process"));
  const tracerProvider = exports("TRACES", env)
    ? (await importOtlp()).createTracerProvider(resource, env)
    : undefined;
  return {
    meterProvider,
    ...(tracerProvider && { tracerProvider }),
    prometheus: (request, response) => prometheus.getMetricsRequestHandler(request, response),
    close: async () => {
      // A lost collector must not delay the stop.
      await Promise.allSettled([meterProvider.shutdown(), tracerProvider?.shutdown()]);
    },
  };
}

/** Loads spans and OTLP, which are most of the SDK, where a collector is named. */
const importOtlp = () => import("./otlp.ts");

/** Checks durations. @throws CommandError for one beyond the range of a timer, which would fire immediately */
function assertDurations(env: NodeJS.ProcessEnv): void {
  for (const [name, text = ""] of Object.entries(env)) {
    if (!/^OTEL_\w+_(TIMEOUT|INTERVAL|DELAY)$/.test(name) || text === "") continue;
    if (/^\d+$/.test(text) && Number(text) <= maxTimerDelayMs) continue;
    throw new CommandError(
      `${name} must be a whole number of milliseconds up to ${maxTimerDelayMs}, got "${text}"`,
    );
  }
}

function exports(signal: "TRACES" | "METRICS", env: NodeJS.ProcessEnv): boolean {
  if (env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return false;
  const exporter = env[`OTEL_${signal}_EXPORTER`];
  const endpoint =
    env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`] ?? env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  if (exporter !== undefined && exporter !== "otlp" && exporter !== "none") {
    throw new CommandError(`OTEL_${signal}_EXPORTER must be otlp or none, got "${exporter}"`);
  }
  return exporter === undefined ? endpoint !== undefined : exporter === "otlp";
}
