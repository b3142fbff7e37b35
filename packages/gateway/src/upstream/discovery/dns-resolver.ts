import dns from "node:dns/promises";
import { isIP } from "node:net";
import { backoffDelayMs, type ClockAndRandom } from "@tensorgate/core";
import type { KubernetesApi } from "./kubernetes-api.ts";
import { createKubernetesResolver, kubernetesScheme } from "./kubernetes-resolver.ts";
import type { ReplicaAddress, Resolver } from "./resolver.ts";

/** Looks up the addresses of a name, IPv4 or IPv6 without brackets. Rejects if the lookup fails. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

/** Looks up by the system's resolver, which includes /etc/hosts and the machine's other sources. */
export const systemLookup: Lookup = async (hostname) =>
  (await dns.lookup(hostname, { all: true })).map(({ address }) => address);

export interface DnsResolverOptions extends ClockAndRandom {
  /** How long a result is used, in milliseconds. The system's resolver does not report a record's TTL. */
  readonly intervalMs: number;
  readonly lookup: Lookup;
  /** Undefined outside of Kubernetes. */
  readonly kubernetes?: KubernetesApi | undefined;
  /** Called after `addresses` has changed. */
  readonly onChange: () => void;
}

/**
 * Addresses of a name that become replicas, the first ones in sorted order: each has its own connection and probes.
 */
const maxAddresses = 1_024;

/** Minimum interval of resolutions of a name, in milliseconds. */
const minGapMs = 1_000;

const dnsScheme = "dns:///";

/**
 * Creates the resolver of one address: `host:port` is one replica, whose name the system resolves for every connection;
 * `dns:///name:port` is one replica for each address of the name; `kubernetes:///service.namespace:port` one for each
 * pod of the Service that is ready.
 *
 * @param address - as the configuration has it
 */
export function createResolver(address: string, options: DnsResolverOptions): Resolver {
  const { kubernetes: api } = options;
  if (api && address.startsWith(kubernetesScheme)) {
    return createKubernetesResolver(address.slice(kubernetesScheme.length), { ...options, api });
  }
  const isDns = address.startsWith(dnsScheme);
  const authority = isDns ? address.slice(dnsScheme.length) : address;
  const host = authority.slice(0, authority.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  if (isDns && !isIP(host)) return createDnsResolver(authority, options);
  return { addresses: [{ authority }], refresh: () => {}, close: () => {} };
}

/**
 * Creates the resolver of a DNS name: each of its addresses is a replica. There is none before the first result.
 *
 * After a failure or an empty result the addresses stay: a name server that is down does not stop replicas that are up,
 * and calls detect replicas that are gone. The name is resolved again after 1 s, then with backoff.
 *
 * @param authority - `name:port`
 */
export function createDnsResolver(authority: string, options: DnsResolverOptions): Resolver {
  const { intervalMs, lookup, onChange, clock, random } = options;
  const hostname = authority.slice(0, authority.lastIndexOf(":"));
  let addresses: readonly ReplicaAddress[] = [];
  let failureCount = 0;
  let startedMs = 0;
  let isResolving = false;
  let isClosed = false;
  let timer: Disposable | undefined;

  function resolveIn(delayMs: number): void {
    timer?.[Symbol.dispose]();
    timer = clock.setTimer(delayMs, () => void resolveNow());
  }

  async function resolveNow(): Promise<void> {
    timer?.[Symbol.dispose]();
    startedMs = clock.nowMs();
    isResolving = true;
    const found = await lookup(hostname).catch((): readonly string[] => []);
    isResolving = false;
    if (isClosed) return;
    failureCount = found.length === 0 ? failureCount + 1 : 0;
    resolveIn(failureCount === 0 ? intervalMs : retryDelayMs());
    if (found.length > 0) setAddresses(found);
  }

  /** Returns the backoff in milliseconds: 1 to 2 s at first, twice as long each time, at most `intervalMs`. */
  function retryDelayMs(): number {
    const policy = { initialBackoffMs: 2 * minGapMs, maxBackoffMs: intervalMs };
    return Math.max(minGapMs, backoffDelayMs(failureCount, policy, random()));
  }

  /** Sets the addresses. Name servers rotate their order, which is no change. */
  function setAddresses(found: readonly string[]): void {
    const ips = [...new Set(found)].toSorted().slice(0, maxAddresses);
    if (ips.join() === addresses.map(({ ip }) => ip).join()) return;
    addresses = ips.map((ip) => ({ authority, ip }));
    onChange();
  }

  void resolveNow();

  return {
    get addresses() {
      return addresses;
    },
    refresh: () => {
      if (isClosed || isResolving) return;
      const gapMs = clock.nowMs() - startedMs;
      if (gapMs >= minGapMs) void resolveNow();
      else resolveIn(minGapMs - gapMs);
    },
    close: () => {
      isClosed = true;
      timer?.[Symbol.dispose]();
    },
  };
}
