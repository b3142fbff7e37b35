import { type Meter, ValueType } from "@opentelemetry/api";
import type { OutputState } from "./bounded-output.ts";

/** Observes the log by metrics, since a log that cannot be written cannot report that itself. */
export function observeLog(meter: Meter, state: () => OutputState): void {
  const valueType = ValueType.INT;
  meter
    .createObservableCounter("tensorgate.log.dropped", {
      description: "Dropped log records",
      valueType,
    })
    .addCallback((result) => result.observe(state().droppedCount));
  meter
    .createObservableGauge("tensorgate.log.queued", {
      description: "Bytes of log records waiting to be written",
      unit: "By",
      valueType,
    })
    .addCallback((result) => result.observe(state().queuedBytes));
  meter
    .createObservableGauge("tensorgate.log.failing", {
      description: "1 while the log cannot be written",
      valueType,
    })
    .addCallback((result) => result.observe(state().failure === undefined ? 0 : 1));
}
