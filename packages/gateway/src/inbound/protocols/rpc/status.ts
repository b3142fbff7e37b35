import type { ConnectRouter } from "@connectrpc/connect";
import type { Caller, Clock, GatewayStatus } from "@tensorgate/core";
import { StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { currentCaller } from "./key-guard.ts";
import type { RunRpc } from "./rpc-call.ts";

export interface StatusRpcParts {
  readonly status: () => GatewayStatus;
  readonly run: RunRpc;
  readonly clock: Clock;
  /** Aborts when the gateway begins to close, so that nobody who watches holds that up. */
  readonly closing: AbortSignal;
}

/** Between two messages, in milliseconds. */
const interval = { usualMs: 1_000, leastMs: 250, mostMs: 60_000 } as const;

/** `tensorgate.v1.StatusService`. */
export function statusRpc(router: ConnectRouter, parts: StatusRpcParts): void {
  const { run, clock, closing } = parts;
  const statusMessage = (caller: Caller | undefined) => permitted(caller, parts.status());

  router.service(StatusService, {
    getStatus: (request, context) =>
      run(request, context, async (call) => ({
        facts: {},
        answer: { status: statusMessage(call.caller) },
      })),

    watchStatus: async function* (request, context) {
      const { intervalMs = interval.usualMs } = request;
      const waitMs = Math.min(Math.max(intervalMs, interval.leastMs), interval.mostMs);
      // The call is only its record: the stream outlives its deadline, and may outlive its key.
      await run(request, context, async () => ({ facts: {}, answer: undefined }));
      const gone = AbortSignal.any([context.signal, closing]);
      while (!gone.aborted) {
        yield { status: statusMessage(currentCaller(context.values, context.requestHeader)) };
        await waited(waitMs, { clock, signal: gone });
      }
    },
  });
}

/** What is of models that the caller's key is for, in the regions that its calls may be served in. */
function permitted(caller: Caller | undefined, status: GatewayStatus) {
  const isVisible = (region: string) => caller?.residency?.includes(region) ?? true;
  const regions = status.regions.filter(({ name }) => isVisible(name));
  return {
    ...status,
    uptimeMs: BigInt(Math.round(status.uptimeMs)),
    regions: regions.map((region) => ({
      ...region,
      pools: region.pools
        .filter(({ model }) => caller?.mayUse(model) ?? true)
        .map(({ replicas, ...pool }) => ({
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
