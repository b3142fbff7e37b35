import {
  type CrossSiteOptions,
  isLoopbackName,
  type KeyOptions,
  type ListenOptions,
  listenDefaults,
} from "../inbound/options.ts";
import type { ConfigFault } from "./config-error.ts";

/** Settings that decide which callers are accepted. */
export interface AccessOptions {
  readonly listen?: ListenOptions | undefined;
  readonly crossSite?: CrossSiteOptions | undefined;
  readonly keys?: readonly KeyOptions[] | undefined;
  readonly allowPlaintextKeys?: boolean | undefined;
  readonly allowAnonymous?: boolean | undefined;
}

/** Returns whether other machines could call without a key or a certificate, and no setting allows that. */
export function isOpenToOthers({ listen, keys = [], allowAnonymous }: AccessOptions): boolean {
  const host = hostOf({ listen });
  const isClosed = keys.length > 0 || listen?.tls?.clientCa !== undefined;
  return !isLoopbackName(host) && !isClosed && allowAnonymous !== true;
}

/**
 * Finds what a reload would open: `keys` and `allowPlaintextKeys` take effect immediately, while the address, TLS, `crossSite`
 * and `allowAnonymous` stay as they are until the next start.
 *
 * @param running - what is in force
 */
export function* reloadFaults(running: AccessOptions, next: AccessOptions): Iterable<ConfigFault> {
  const restart = "restart the gateway to apply both, or change one of them";
  const losesKeys = count(running.keys) > 0 && count(next.keys) === 0;
  const after: AccessOptions = {
    listen: running.listen,
    keys: next.keys,
    allowAnonymous: running.allowAnonymous === true && next.allowAnonymous === true,
  };
  if (isOpenToOthers(after)) {
    yield {
      path: "keys",
      message: `${hostOf(running)} stays bound until the next start and would accept calls from other machines without a key; restart the gateway, or list keys`,
    };
  } else if (losesKeys) {
    const changed = changedGuards(running, next);
    if (changed.length > 0) {
      yield {
        path: "keys",
        message: `the keys would be removed now, but ${changed.join(", ")} would change only at the next start; ${restart}`,
      };
    }
  }
  if ((running.allowPlaintextKeys ?? false) !== (next.allowPlaintextKeys ?? false)) {
    const changed = changedGuards(running, next).filter((name) => name.startsWith("listen."));
    if (changed.length > 0) {
      yield {
        path: "allowPlaintextKeys",
        message: `the setting would change now, but ${changed.join(", ")} only at the next start; ${restart}`,
      };
    }
  }
}

/** Returns the access settings, beside keys, that differ. */
function changedGuards(running: AccessOptions, next: AccessOptions): readonly string[] {
  const guards: Readonly<Record<string, (options: AccessOptions) => unknown>> = {
    "listen.host": hostOf,
    "listen.tls": ({ listen }) => [listen?.tls !== undefined, listen?.tls?.clientCa],
    crossSite: ({ crossSite }) => [crossSite?.origins ?? [], crossSite?.hosts ?? []],
    allowAnonymous: ({ allowAnonymous }) => allowAnonymous ?? false,
  };
  return Object.entries(guards)
    .filter(([, of]) => JSON.stringify(of(running)) !== JSON.stringify(of(next)))
    .map(([name]) => name);
}

const hostOf = ({ listen }: Pick<AccessOptions, "listen">): string =>
  listen?.host ?? listenDefaults.host;

const count = (keys: AccessOptions["keys"]): number => keys?.length ?? 0;
