import { createClient } from "@connectrpc/connect";
import {
  type CallOptions,
  foreignAnswerError,
  type WithMeta,
  withMeta,
} from "@tensorgate/client-core";
import type {
  CapacityStatus,
  GatewayStatus,
  PoolStatus,
  RegionStatus,
  ReplicaStatus,
  SharingStatus,
} from "@tensorgate/core";
import {
  type PoolStatus as PoolMessage,
  type ReplicaStatus as ReplicaMessage,
  type GatewayStatus as StatusMessage,
  StatusService,
  type WatchStatusResponse,
} from "@tensorgate/proto/tensorgate/v1/status";
import type { Connection } from "./connection.ts";

export interface WatchStatusOptions extends CallOptions {
  /** Interval between updates, in milliseconds: 1000 by default; the gateway limits it to 250 to 60000. */
  readonly intervalMs?: number;
}

/** Calls for the state of a gateway, its regions and its replicas. */
export interface StatusCalls {
  /** @throws ClientError */
  get(options?: CallOptions): Promise<WithMeta<GatewayStatus>>;
  /**
   * Yields updates until the gateway closes the stream, or throws when `signal` aborts. The first update is retried like
   * any call; `timeoutMs` limits how late each update may be.
   *
   * @throws ClientError
   */
  watch(options?: WatchStatusOptions): AsyncGenerator<GatewayStatus, void, undefined>;
}

const usualIntervalMs = 1_000;
const usualTimeoutMs = 10_000;

export function createStatusCalls({ transport, call }: Connection): StatusCalls {
  const client = createClient(StatusService, transport);

  return {
    get: async (options = {}) => {
      const { message, meta } = await call({
        method: "status.get",
        options,
        send: async (sent) => statusFrom((await client.getStatus({}, sent)).status),
      });
      return withMeta(message, meta);
    },

    watch: async function* ({ intervalMs = usualIntervalMs, ...options } = {}) {
      const timeoutMs = intervalMs + (options.timeoutMs ?? usualTimeoutMs);
      // A later deadline, so that a silent gateway counts as a lost one, not as the caller's deadline.
      const eachLater = { timeoutMs, deadlineMs: 2 * timeoutMs, maxRetries: 0 };
      const method = "status.watch";
      let stream: OpenStream | undefined;
      try {
        const { message: first } = await call({
          method,
          options,
          // The stream outlives this call, which ends with the first message.
          send: async ({ signal, timeoutMs: _ofThisCall, ...sent }) => {
            const opened = openStream((ofStream) =>
              client.watchStatus({ intervalMs }, { ...sent, signal: ofStream }),
            );
            stream = opened;
            return opened.next(signal);
          },
        });
        let result = first;
        while (!result.done) {
          yield statusFrom(result.value.status);
          ({ message: result } = await call({
            method,
            options: { ...options, ...eachLater },
            send: async ({ signal }) => stream?.next(signal) ?? { done: true, value: undefined },
          }));
        }
      } finally {
        stream?.close();
      }
    },
  };
}

interface OpenStream {
  /** Returns the next message; ends the stream if `signal` aborts first. */
  next(signal: AbortSignal | undefined): Promise<IteratorResult<WatchStatusResponse, undefined>>;
  close(): void;
}

function openStream(open: (signal: AbortSignal) => AsyncIterable<WatchStatusResponse>): OpenStream {
  const controller = new AbortController();
  const messages = open(controller.signal)[Symbol.asyncIterator]();
  return {
    next: async (signal) => {
      const onAbort = () => controller.abort(signal?.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      try {
        return await messages.next();
      } finally {
        signal?.removeEventListener("abort", onAbort);
      }
    },
    close: () => controller.abort(),
  };
}

function sharingFrom({
  role,
  gatewayCount,
  ownersLost,
  because,
}: NonNullable<StatusMessage["sharing"]>): SharingStatus {
  return {
    role: role as SharingStatus["role"],
    gatewayCount,
    ownersLost,
    ...(because !== undefined && { because }),
  };
}

function capacityFrom({
  devices,
  ageMs,
  because,
}: NonNullable<StatusMessage["capacity"]>): CapacityStatus {
  return {
    devices: devices.map(({ resource, regions }) => ({
      resource,
      regions: regions.map(({ name, freeCount, totalCount }) => ({ name, freeCount, totalCount })),
    })),
    ...(ageMs !== undefined && { ageMs: Number(ageMs) }),
    ...(because !== undefined && { because }),
  };
}

/** Converts counts to numbers: none of them passes 2^53. */
function statusFrom(message: StatusMessage | undefined): GatewayStatus {
  if (!message) throw foreignAnswerError(200, { text: "the response has no status" });
  const { version, region, uptimeMs, retriesLeft, regions, sharing, capacity } = message;
  return {
    version,
    region,
    uptimeMs: Number(uptimeMs),
    retriesLeft,
    ...(sharing && { sharing: sharingFrom(sharing) }),
    ...(capacity && { capacity: capacityFrom(capacity) }),
    regions: regions.map(
      ({ name, roundTripMs, hasOutage, pools }): RegionStatus => ({
        name,
        pools: pools.map(poolFrom),
        ...(roundTripMs !== undefined && { roundTripMs }),
        ...(hasOutage !== undefined && { hasOutage }),
      }),
    ),
  };
}

function poolFrom(message: PoolMessage): PoolStatus {
  const { model, waiting, isOverloaded, expectedWaitMs, replicas } = message;
  return {
    model,
    waiting,
    isOverloaded,
    ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    replicas: replicas.map(replicaFrom),
  };
}

function replicaFrom(message: ReplicaMessage): ReplicaStatus {
  const { id, state, inFlight, slots, answered, failed, ejections, serviceMs, latencyMs } = message;
  return {
    // A newer gateway may have further states.
    id,
    state: state as ReplicaStatus["state"],
    inFlight,
    slots,
    answered: Number(answered),
    failed: Number(failed),
    ejections: Number(ejections),
    ...(serviceMs !== undefined && { serviceMs }),
    ...(latencyMs !== undefined && { latencyMs }),
  };
}
