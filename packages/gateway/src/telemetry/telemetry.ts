import { type MeterProvider, metrics, type TracerProvider, trace } from "@opentelemetry/api";
import { guardedCallback, type ModelStatistics, type ObserveCall } from "@tensorgate/core";
import { createCallObserver, createStatistics, type ModelsInForce } from "./call-observer.ts";
import type { CallRecord } from "./call-record.ts";
import { createInstruments, type Gauges } from "./instruments.ts";

export interface TelemetryDeps {
  /** The globally registered one unless given. */
  readonly meterProvider?: MeterProvider | undefined;
  readonly tracerProvider?: TracerProvider | undefined;
  readonly version: string;
  /** Called for every call that has ended; no record is written without it. */
  readonly onCall: ((record: CallRecord) => void) | undefined;
  /** Called with what an instrument or a span of the host threw: it fails no call. */
  readonly onTelemetryFailure: (thrown: unknown) => void;
}

/** Spans, metrics, statistics and call records of a gateway. */
export interface Telemetry {
  /** @param inForce - whose models may become labels: callers must not be able to create labels */
  observeCalls(inForce: ModelsInForce): ObserveCall;
  readonly statistics: ModelStatistics;
  readonly countReplicaChange: (change: ReplicaChangeCount) => void;
  countRejectedConnection(reason: string): void;
  /** Lets the collector of metrics read the state of the stages from now on. */
  observe(stages: ObservedStages): void;
}

/** State of the stages that is measured whenever metrics are collected. */
export interface ObservedStages {
  readonly inbound: {
    load(): Readonly<Record<"connections" | "waitingConnections" | "bytesInFlight", number>>;
  };
  readonly pictures: { readonly decodeQueueLength: number };
  readonly cache: { readonly byteCount: number; readonly entryCount: number };
  readonly routing: { readonly gauges: Pick<Gauges, "replicas" | "waiting" | "sharing"> };
}

export interface ReplicaChangeCount {
  readonly model: string;
  readonly region: string;
  readonly to: string;
}

export function createTelemetry(deps: TelemetryDeps): Telemetry {
  const { version, onCall, onTelemetryFailure: onFailure } = deps;
  const instruments = createInstruments(
    (deps.meterProvider ?? metrics).getMeter("tensorgate", version),
  );
  const tracer = (deps.tracerProvider ?? trace).getTracer("tensorgate", version);
  const statistics = createStatistics();
  const observed = { tracer, instruments, statistics, onCall, onFailure };
  return {
    observeCalls: (inForce) => createCallObserver({ ...observed, inForce }),
    statistics,
    countReplicaChange: guardedCallback(
      ({ model, region, to }) => instruments.replicaChanges.add(1, { model, region, to }),
      onFailure,
    ),
    countRejectedConnection: (reason) => instruments.rejectedConnections.add(1, { reason }),
    observe: ({ inbound, pictures, cache, routing }) =>
      instruments.observe({
        connections: () => inbound.load().connections,
        bytesInFlight: () => inbound.load().bytesInFlight,
        connectionQueue: () => inbound.load().waitingConnections,
        decodeQueue: () => pictures.decodeQueueLength,
        cacheBytes: () => cache.byteCount,
        cacheEntries: () => cache.entryCount,
        ...routing.gauges,
      }),
  };
}
