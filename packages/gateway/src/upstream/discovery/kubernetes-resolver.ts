import { isDeepStrictEqual } from "node:util";
import { backoffDelayMs, type ClockAndRandom } from "@tensorgate/core";
import type { ReadyEndpoint, SliceEvent } from "./endpoint-slices.ts";
import type { KubernetesApi, KubernetesService } from "./kubernetes-api.ts";
import type { ReplicaAddress, Resolver } from "./resolver.ts";

export interface KubernetesResolverOptions extends ClockAndRandom {
  readonly api: KubernetesApi;
  /** Called after `addresses` has changed. */
  readonly onChange: () => void;
}

export const kubernetesScheme = "kubernetes:///";

/** Addresses that become replicas, the first ones in sorted order. */
const maxAddresses = 1_024;
/** Shortest and longest wait after a failure, in milliseconds. */
const minGapMs = 1_000;
const maxGapMs = 30_000;

/** Reads `service.namespace:port`; undefined for another text. */
export function kubernetesServiceFrom(
  authority: string,
): (KubernetesService & { readonly port: string }) | undefined {
  const [, name, namespace, port] = /^([a-z0-9-]+)\.([a-z0-9-]+):(\d{1,5})$/.exec(authority) ?? [];
  if (name === undefined || namespace === undefined || port === undefined) return undefined;
  return { name, namespace, port };
}

/**
 * Creates the resolver of a Service of Kubernetes: every pod that is ready is a replica. A pod that begins to terminate is
 * no replica any more from the same moment, while it still finishes its calls; a new one is a replica when it is ready.
 *
 * While the API server cannot be reached, the addresses stay. After each end of the watch they are listed again.
 *
 * @param authority - `service.namespace:port`, the port that pods listen on
 */
export function createKubernetesResolver(
  authority: string,
  { api, onChange, clock, random }: KubernetesResolverOptions,
): Resolver {
  const service = serviceOf(authority);
  const name = `${service.name}.${service.namespace}.svc:${service.port}`;
  const closing = new AbortController();
  const slices = new Map<string, readonly ReadyEndpoint[]>();
  let addresses: readonly ReplicaAddress[] = [];
  let failureCount = 0;
  let timer: Disposable | undefined;

  /** Lists, and then watches until the server ends that. */
  async function follow(): Promise<void> {
    const { signal } = closing;
    try {
      const { slices: listed, resourceVersion } = await api.list(service, signal);
      slices.clear();
      for (const { name: each, ready } of listed) slices.set(each, ready);
      update();
      failureCount = 0;
      await api.watch(service, { resourceVersion, onEvent: apply, signal });
    } catch {
      failureCount += 1;
    }
    if (signal.aborted) return;
    const backoff = { initialBackoffMs: minGapMs, maxBackoffMs: maxGapMs };
    const delayMs =
      failureCount === 0
        ? minGapMs
        : Math.max(minGapMs, backoffDelayMs(failureCount, backoff, random()));
    timer = clock.setTimer(delayMs, () => void follow());
  }

  function apply(event: SliceEvent): void {
    if (closing.signal.aborted) return;
    switch (event.kind) {
      case "changed":
        slices.set(event.slice.name, event.slice.ready);
        update();
        break;
      case "deleted":
        slices.delete(event.name);
        update();
        break;
      case "expired":
        // The server ends the watch with it.
        throw new Error("the watch is too old");
      case "bookmark":
        break;
    }
  }

  function update(): void {
    if (closing.signal.aborted) return;
    const byIp = new Map([...slices.values()].flat().map((endpoint) => [endpoint.ip, endpoint]));
    const found = [...byIp.values()]
      .toSorted((a, b) => (a.ip < b.ip ? -1 : 1))
      .slice(0, maxAddresses)
      .map((endpoint) => ({ authority: name, ...endpoint }));
    if (isDeepStrictEqual(found, addresses)) return;
    addresses = found;
    onChange();
  }

  void follow();

  return {
    get addresses() {
      return addresses;
    },
    // The watch says it sooner.
    refresh: () => {},
    close: () => {
      closing.abort();
      timer?.[Symbol.dispose]();
    },
  };
}

function serviceOf(authority: string): KubernetesService & { readonly port: string } {
  const service = kubernetesServiceFrom(authority);
  if (service) return service;
  throw new Error(`"${authority}" names no Service; expected service.namespace:port`);
}
