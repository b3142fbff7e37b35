import type { RequestListener } from "node:http";
import type {
  MeterProvider as MeterProviderApi,
  TracerProvider as TracerProviderApi,
} from "@opentelemetry/api";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import {
  MeterProvider,
  type MetricReader,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { maxTimerDelayMs } from "@tensorgate/core";
import { version } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";
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
 * @see OpenTelemetry, "Environment Variable Specification"
 */
export function openTelemetry(env: NodeJS.ProcessEnv = process.env): OpenTelemetry {
  assertDurations(env);
  const prometheus = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
  const readers: MetricReader[] = [prometheus];
  if (exports("METRICS", env)) {
    readers.push(new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() }));
  }
  const resource = defaultResource()
    .merge(resourceFromAttributes({ "service.name": "tensorgate", "service.version": version }))
    .merge(detectResources({ detectors: [envDetector] }));
  const meterProvider = new MeterProvider({ resource, readers });
  observeProcess(meterProvider.getMeter("process"));
  const tracerProvider = exports("TRACES", env)
    ? new TracerProvider({
        resource,
        sampler: samplerFrom(env),
        spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
      })
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

function samplerFrom(env: NodeJS.ProcessEnv): Sampler {
  const name = env["OTEL_TRACES_SAMPLER"] ?? "parentbased_always_on";
  const ratio = Number(env["OTEL_TRACES_SAMPLER_ARG"] ?? 1);
  if (!(ratio >= 0 && ratio <= 1)) {
    throw new CommandError("OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1");
  }
  const isByParent = name.startsWith("parentbased_");
  const root = rootSampler(name.replace("parentbased_", ""), ratio);
  return isByParent ? new ParentBasedSampler({ root }) : root;
}

function rootSampler(name: string, ratio: number): Sampler {
  switch (name) {
    case "always_on":
      return new AlwaysOnSampler();
    case "always_off":
      return new AlwaysOffSampler();
    case "traceidratio":
      return new TraceIdRatioBasedSampler(ratio);
    default:
      throw new CommandError(`unknown OTEL_TRACES_SAMPLER "${name}"`);
  }
}
