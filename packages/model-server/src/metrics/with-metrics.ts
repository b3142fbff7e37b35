import type { Clock, ServingMethod } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { askedModelOf, ServingError } from "@tensorgate/tf-serving";
import type { UnaryMethod } from "../service/unary-method.ts";
import type { ServingMetrics } from "./serving-metrics.ts";

export interface MetricsDeps {
  readonly metrics: ServingMetrics;
  readonly clock: Clock;
  /** Whether the server has, or had, a model of that name. */
  readonly isKnown: (model: string) => boolean;
}

/** Methods that the original counts. */
const counted: ReadonlyMap<string, ServingMethod> = new Map(
  (["Predict", "Classify", "Regress"] as const).map((method) => [
    `/tensorflow.serving.PredictionService/${method}`,
    method,
  ]),
);

/** Counts and times the calls of a method, if it is one of those that are counted. */
export function withMetrics({
  metrics,
  clock,
  isKnown,
}: MetricsDeps): (method: UnaryMethod) => UnaryMethod {
  return (plain) => {
    const api = counted.get(plain.path);
    if (!api) return plain;
    return {
      ...plain,
      method: async (message, ...more) => {
        const startedAtMs = clock.nowMs();
        const record = (code: number) => {
          const model = modelOf(api, message);
          const durationMs = clock.nowMs() - startedAtMs;
          metrics.record({
            model: isKnown(model) ? model : "",
            api,
            entrypoint: "GRPC",
            code,
            durationMs,
          });
        };
        try {
          const reply = await plain.method(message, ...more);
          record(grpcCode.OK);
          return reply;
        } catch (thrown) {
          record(codeOf(thrown));
          throw thrown;
        }
      },
    };
  };
}

/** The code by which a failure is answered. */
export function codeOf(thrown: unknown): number {
  return thrown instanceof ServingError ? thrown.grpcCode : grpcCode.INTERNAL;
}

function modelOf(method: ServingMethod, message: Uint8Array): string {
  try {
    return askedModelOf({ method, message })?.name ?? "";
  } catch {
    // A message that cannot be read names no model.
    return "";
  }
}
