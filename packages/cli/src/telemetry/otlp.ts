import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import type { Resource } from "@opentelemetry/resources";
import { type MetricReader, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { CommandError } from "../command-error.ts";

/** Creates the reader that sends metrics to the collector which `OTEL_*` names. */
export function createMetricReader(): MetricReader {
  return new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() });
}

/**
 * Creates the provider that sends spans to the collector which `OTEL_*` names.
 *
 * @throws CommandError for a sampler that does not exist
 */
export function createTracerProvider(resource: Resource, env: NodeJS.ProcessEnv): TracerProvider {
  return new TracerProvider({
    resource,
    sampler: samplerFrom(env),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
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
