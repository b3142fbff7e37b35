import { resolve } from "node:path";
import type { GatewayOptions } from "./gateway-options.ts";

/** Resolves relative paths in a configuration against its folder. */
export function withPathsFrom(folder: string, options: GatewayOptions): GatewayOptions {
  const { listen, pools } = options;
  const names = ["ca", "cert", "key", "clientCa", "file"];
  const resolved = <Settings extends object>(settings: Settings): Settings =>
    Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [
        name,
        names.includes(name) && typeof value === "string" ? resolve(folder, value) : value,
      ]),
    ) as Settings;
  return {
    ...options,
    ...(listen && { listen: { ...listen, ...(listen.tls && { tls: resolved(listen.tls) }) } }),
    pools: pools.map((pool) => ({
      ...pool,
      ...(pool.tls && { tls: resolved(pool.tls) }),
      ...(pool.key && { key: resolved(pool.key) }),
    })),
  };
}
