import { grpcCode, grpcCodeName } from "@tensorgate/grpc";
import { MonitoringConfigSchema } from "@tensorgate/proto/tensorflow_serving/monitoring_config";
import { type Metric, messageFromText, prometheusText } from "@tensorgate/tf-serving";

/** A call that has ended. */
export interface EndedCall {
  /** Name of a model that the server knows; empty for any other, since callers can make up any number of names. */
  readonly model: string;
  /** As TensorFlow Serving calls it: `Predict` over gRPC, `predict` over REST. */
  readonly api: string;
  readonly entrypoint: "GRPC" | "REST";
  /** A gRPC status code. */
  readonly code: number;
  readonly durationMs: number;
}

/** Counts calls under TensorFlow Serving's names. */
export interface ServingMetrics {
  record(call: EndedCall): void;
  /** All metrics in Prometheus' text format. */
  text(): string;
}

/** Upper limits of the latencies, in microseconds: from 10 to 20 minutes. */
const limits: readonly number[] = Array.from({ length: 32 }, (_, index) => 10 * 1.8 ** index);

interface Latencies {
  readonly labels: readonly (readonly [string, string])[];
  readonly counts: number[];
  sum: number;
}

export function createServingMetrics(): ServingMetrics {
  const counts = new Map<string, { model: string; status: string; value: number }>();
  const latencies = new Map<string, Latencies>();

  function count(model: string, status: string): void {
    const key = JSON.stringify([model, status]);
    const counted = counts.get(key) ?? { model, status, value: 0 };
    counted.value += 1;
    counts.set(key, counted);
  }

  function time({ model, api, entrypoint, durationMs }: EndedCall): void {
    const key = JSON.stringify([model, api, entrypoint]);
    const timed = latencies.get(key) ?? {
      labels: [
        ["model_name", model],
        ["API", api],
        ["entrypoint", entrypoint],
      ],
      counts: new Array(limits.length + 1).fill(0),
      sum: 0,
    };
    const microseconds = durationMs * 1_000;
    const bucket = limits.findIndex((limit) => microseconds < limit);
    const index = bucket < 0 ? limits.length : bucket;
    timed.counts[index] = (timed.counts[index] ?? 0) + 1;
    timed.sum += microseconds;
    latencies.set(key, timed);
  }

  return {
    record: (call) => {
      count(call.model, grpcCodeName(call.code));
      if (call.code === grpcCode.OK) time(call);
    },
    text: () => {
      const requestCount: Metric = {
        kind: "counter",
        name: "/tensorflow/serving/request_count",
        points: [...counts.values()].map(({ model, status, value }) => ({
          labels: [
            ["model_name", model],
            ["status", status],
          ],
          value,
        })),
      };
      const requestLatency: Metric = {
        kind: "histogram",
        name: "/tensorflow/serving/request_latency",
        limits,
        points: [...latencies.values()],
      };
      return prometheusText([requestCount, requestLatency]);
    },
  };
}

/** Path of the metrics where a configuration names none. */
const defaultMetricsPath = "/monitoring/prometheus/metrics";

/**
 * Reads a file that says where metrics are, as `--monitoring_config_file` of TensorFlow Serving takes it.
 *
 * @returns their path; undefined if they are not exposed
 * @throws TextFormatError with line and column
 */
export function readMonitoringConfig(text: string): string | undefined {
  const { prometheusConfig: config } = messageFromText(MonitoringConfigSchema, text);
  return config?.enable ? config.path || defaultMetricsPath : undefined;
}
