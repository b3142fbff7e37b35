import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import type { Clock, GatewayStatus, Readiness } from "@tensorgate/core";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@tensorgate/proto/grpc/health/v1/health";
import { StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { visibleStatus } from "../../../access/access.ts";
import { type RpcRunner, rpcKey } from "../connect/call.ts";

export interface StatusRoutesDeps {
  readonly status: () => GatewayStatus;
  /** Reads what a status has to be read for, if that is due. */
  readonly refreshStatus: () => Promise<void>;
  readonly readiness: () => Readiness;
  readonly rpc: RpcRunner;
  readonly clock: Clock;
  /** Aborts when the gateway begins to close. */
  readonly shutdownSignal: AbortSignal;
}

/** Between two messages, in milliseconds. */
const interval = { usualMs: 1_000, minMs: 250, maxMs: 60_000 } as const;

/** `tensorgate.v1.StatusService`. */
export function addStatusRoutes(router: ConnectRouter, deps: StatusRoutesDeps): void {
  const { rpc, clock, status, refreshStatus, shutdownSignal } = deps;
  router.service(
    StatusService,
    {
      getStatus: (request, context) =>
        rpc.run(request, context, async ({ caller }) => {
          await refreshStatus();
          return { message: { status: statusMessage(visibleStatus(caller, status())) } };
        }),

      watchStatus: async function* (request, context) {
        const { intervalMs = interval.usualMs } = request;
        const waitMs = Math.min(Math.max(intervalMs, interval.minMs), interval.maxMs);
        // The call is only its record: the stream outlives its deadline, and may outlive its key.
        await rpc.run(request, context, async () => ({ message: undefined }));
        const { signal, values } = context;
        while (!signal.aborted) {
          const { caller } = await rpc.readmit(values.get(rpcKey));
          await refreshStatus();
          yield { status: statusMessage(visibleStatus(caller, status())) };
          await waited(waitMs, { clock, signal });
        }
      },
    },
    // A watched status never ends by itself, and must not hold up a gateway that closes.
    { shutdownSignal },
  );
}

/** gRPC's health check: the same answer as `/readyz` for the gateway and each of its services. */
export function addHealthRoutes(
  router: ConnectRouter,
  readiness: () => Readiness,
  serviceNames: readonly string[],
): void {
  const known = new Set(["", ...serviceNames]);
  router.service(Health, {
    check: ({ service }) => {
      if (!known.has(service)) {
        throw new ConnectError(`unknown service "${service.slice(0, 200)}"`, Code.NotFound);
      }
      const { isReady } = readiness();
      return { status: isReady ? ServingStatus.SERVING : ServingStatus.NOT_SERVING };
    },
  });
}

/** The field that clients of before read; it says the opposite of `hasOutage`. */
const deprecatedOutageField = "isPlugged";

function statusMessage({ capacity, ...status }: GatewayStatus) {
  const { ageMs, ...counted } = capacity ?? { devices: [] };
  return {
    ...status,
    ...(capacity && {
      capacity: {
        ...counted,
        devices: counted.devices.map((each) => ({ ...each, regions: [...each.regions] })),
        ...(ageMs !== undefined && { ageMs: BigInt(Math.round(ageMs)) }),
      },
    }),
    uptimeMs: BigInt(Math.round(status.uptimeMs)),
    regions: status.regions.map((region) => ({
      ...region,
      ...(region.hasOutage !== undefined && { [deprecatedOutageField]: !region.hasOutage }),
      pools: region.pools.map(({ replicas, ...pool }) => ({
        ...pool,
        replicas: replicas.map((replica) => ({
          ...replica,
          answered: BigInt(replica.answered),
          failed: BigInt(replica.failed),
          ejections: BigInt(replica.ejections),
        })),
      })),
    })),
  };
}

function waited(
  durationMs: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimer(durationMs, done);
    signal.addEventListener("abort", done);
    function done() {
      timer[Symbol.dispose]();
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
