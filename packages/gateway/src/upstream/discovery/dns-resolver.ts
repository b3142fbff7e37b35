import dns from "node:dns/promises";
import { isIP } from "node:net";
import { backoffDelayMs, type ClockAndRandom } from "@tensorgate/core";
import type { ReplicaAddress, Resolver } from "./resolver.ts";

/** Every address, IPv4 or IPv6 without brackets, that a name has now. Rejects where that cannot be found out. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

/** The system's resolver rather than a query of our own: it knows /etc/hosts and whatever else the machine asks. */
export const systemLookup: Lookup = async (hostname) =>
  (await dns.lookup(hostname, { all: true })).map(({ address }) => address);

export interface DnsResolverOptions extends ClockAndRandom {
  /** How long an answer is good for, in milliseconds. The system's resolver tells nothing of a record's own time. */
  readonly intervalMs: number;
  readonly lookup: Lookup;
  /** Told after `addresses` has changed. */
  readonly onChange: () => void;
}

/**
 * Most addresses of a name that become replicas, the first in the order of their text: each has a connection and probes
 * of its own.
 */
const maxAddresses = 1_024;

/** Least time between the beginnings of two resolutions of a name, in milliseconds. */
const minGapMs = 1_000;

const dnsScheme = "dns:///";

/**
 * Creates the resolver of one address: `host:port` is one replica, whose name, if it is one, is left to the system
 * whenever a connection is made; `dns:///name:port` is one for each address of the name.
 *
 * @param address - as the configuration has it
 */
export function createResolver(address: string, options: DnsResolverOptions): Resolver {
  const isDns = address.startsWith(dnsScheme);
  const authority = isDns ? address.slice(dnsScheme.length) : address;
  const host = authority.slice(0, authority.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  if (isDns && !isIP(host)) return createDnsResolver(authority, options);
  return { addresses: [{ authority }], refresh: () => {}, close: () => {} };
}

/**
 * Each address that the name of `authority` has is a replica. There is none before the first answer.
 *
 * An answer that fails, or is empty, takes nothing away: a name server that is out of reach does not stop replicas that
 * are not, and those that are gone are found out by calls. It is asked for again after 1 s, then more and more rarely.
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
    if (found.length > 0) take(found);
  }

  /** In milliseconds: 1 to 2 s at first, twice as long each time, never more than between two good answers. */
  function retryDelayMs(): number {
    const policy = { initialBackoffMs: 2 * minGapMs, maxBackoffMs: intervalMs };
    return Math.max(minGapMs, backoffDelayMs(failureCount, policy, random()));
  }

  /** Name servers turn the order at every answer, which changes nothing. */
  function take(found: readonly string[]): void {
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
