import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@tensorgate/proto/grpc/health/v1/health";
import type { Readiness } from "../rest/health-rest.ts";

export interface HealthRpcParts {
  readonly readiness: () => Readiness;
  /** Full names of the services that are served; "" stands for the whole gateway. */
  readonly serviceNames: readonly string[];
}

/** gRPC's health check: the same answer as `/readyz` for the gateway and each of its services. */
export function healthRpc(
  router: ConnectRouter,
  { readiness, serviceNames }: HealthRpcParts,
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
