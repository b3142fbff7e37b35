import {
  type Counter,
  type Histogram,
  type Meter,
  type UpDownCounter,
  ValueType,
} from "@opentelemetry/api";
import { type SharingStatus, slotShare } from "@tensorgate/core";

/** Upper bounds of the durations that are counted together, in seconds. */
const durationBounds = [
  0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

/** State that is read whenever metrics are collected. */
export interface Gauges {
  readonly connections: () => number;
  readonly bytesInFlight: () => number;
  /** Connections that wait to be read. */
  readonly connectionQueue: () => number;
  /** Pictures that wait to be decoded. */
  readonly decodeQueue: () => number;
  readonly cacheBytes: () => number;
  readonly cacheEntries: () => number;
  /** Replicas by pool, and whether each is in rotation. */
  readonly replicas: () => readonly ReplicaGauge[];
  /** Calls that wait for a replica, by pool. */
  readonly waiting: () => readonly WaitingGauge[];
  /** Undefined if no other gateway has the same replicas. */
  readonly sharing: () => SharingStatus | undefined;
}

export interface WaitingGauge {
  readonly model: string;
  readonly region: string;
  readonly waiting: number;
}

export interface ReplicaGauge {
  readonly model: string;
  readonly region: string;
  readonly state: string;
  readonly count: number;
}

/** Every metric of a gateway; `docs/operating.md` lists them. */
export interface Instruments {
  readonly calls: Counter;
  readonly callDuration: Histogram;
  readonly callsInFlight: UpDownCounter;
  readonly receivedBytes: Counter;
  readonly attempts: Counter;
  readonly attemptDuration: Histogram;
  readonly cacheRequests: Counter;
  readonly replicaChanges: Counter;
  readonly rejectedConnections: Counter;
  /** Registers the gauges, which are read whenever metrics are collected. */
  readonly observe: (gauges: Gauges) => void;
}

export function createInstruments(meter: Meter): Instruments {
  const advice = { explicitBucketBoundaries: durationBounds };
  return {
    observe: (gauges) => observe(meter, gauges),
    replicaChanges: meter.createCounter("tensorgate.replica.changes", {
      description: "State changes of replicas",
      valueType: ValueType.INT,
    }),
    rejectedConnections: meter.createCounter("tensorgate.connections.rejected", {
      description: "Rejected connections by reason",
      valueType: ValueType.INT,
    }),
    calls: meter.createCounter("tensorgate.calls", {
      description: "Ended calls by result",
      valueType: ValueType.INT,
    }),
    callDuration: meter.createHistogram("tensorgate.call.duration", {
      description: "Duration of calls, from headers to response",
      unit: "s",
      advice,
    }),
    callsInFlight: meter.createUpDownCounter("tensorgate.calls.in_flight", {
      description: "Calls in flight",
      valueType: ValueType.INT,
    }),
    receivedBytes: meter.createCounter("tensorgate.bytes.received", {
      description: "Bytes of request bodies received",
      unit: "By",
      valueType: ValueType.INT,
    }),
    cacheRequests: meter.createCounter("tensorgate.cache.requests", {
      description: "Cached models: requests by cache outcome",
      valueType: ValueType.INT,
    }),
    attempts: meter.createCounter("tensorgate.attempts", {
      description: "Ended attempts at replicas by result",
      valueType: ValueType.INT,
    }),
    attemptDuration: meter.createHistogram("tensorgate.attempt.duration", {
      description: "Duration of attempts at replicas",
      unit: "s",
      advice,
    }),
  };
}

function observe(meter: Meter, gauges: Gauges): void {
  const gauge = (name: string, description: string, value: () => number, unit?: string) =>
    meter
      .createObservableGauge(name, { description, ...(unit && { unit }), valueType: ValueType.INT })
      .addCallback((result) => result.observe(value()));
  gauge("tensorgate.connections", "Open client connections", gauges.connections);
  gauge(
    "tensorgate.bytes.in_flight",
    "Bytes of requests in flight and of unread responses",
    gauges.bytesInFlight,
    "By",
  );
  gauge("tensorgate.cache.bytes", "Size of the cached responses", gauges.cacheBytes, "By");
  gauge("tensorgate.cache.entries", "Cached responses", gauges.cacheEntries);
  meter
    .createObservableGauge("tensorgate.queue.length", {
      description: "Queue length by queue",
      valueType: ValueType.INT,
    })
    .addCallback((result) => {
      result.observe(gauges.connectionQueue(), { queue: "connection" });
      result.observe(gauges.decodeQueue(), { queue: "decode" });
      for (const { model, region, waiting } of gauges.waiting()) {
        result.observe(waiting, { queue: "replica", model, region });
      }
    });
  meter
    .createObservableGauge("tensorgate.replicas", {
      description: "Replicas by model, region and state",
      valueType: ValueType.INT,
    })
    .addCallback((result) => {
      for (const { count, ...attributes } of gauges.replicas()) result.observe(count, attributes);
    });
  observeSharing(meter, gauges);
}

function observeSharing(meter: Meter, { sharing }: Gauges): void {
  meter
    .createObservableGauge("tensorgate.sharing.gateways", {
      description: "Gateways that share the slots of the replicas, by the role of this one",
      valueType: ValueType.INT,
    })
    .addCallback((result) => {
      const status = sharing();
      if (status) result.observe(status.gatewayCount, { role: status.role });
    });
  meter
    .createObservableGauge("tensorgate.sharing.slot_share", {
      description: "Share of the slots that the calls of this gateway can have",
      valueType: ValueType.DOUBLE,
    })
    .addCallback((result) => {
      const status = sharing();
      if (status) result.observe(slotShare(status));
    });
  meter
    .createObservableCounter("tensorgate.sharing.owners_lost", {
      description: "Times that this gateway lost the owner of the slots",
      valueType: ValueType.INT,
    })
    .addCallback((result) => {
      const status = sharing();
      if (status) result.observe(status.ownersLost);
    });
}
