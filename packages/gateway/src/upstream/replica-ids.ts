import type { ReplicaAddress } from "./discovery/address-source.ts";
import { type PoolAddresses, tlsOf } from "./pool-addresses.ts";

/** Names replicas: whoever is reached in the same way has the same id, in every pool and for as long as this lives. */
export type ReplicaIds = (address: ReplicaAddress, pool: PoolAddresses) => string;

export function replicaIds(): ReplicaIds {
  /** By what pools say beside addresses. */
  const numbers = new Map<string, number>();

  return (address, pool) => {
    const place = placeOf(address);
    const { key, dialect = "tensorflow-serving", service, gateway, region, exclusive } = pool;
    const tls = tlsOf(pool);
    // A gateway is told in which region the call may be served.
    const entered = gateway === undefined ? undefined : region;
    const isPlain = !tls && !key && !service && !entered && !exclusive;
    if (isPlain && dialect === "tensorflow-serving") return place;
    const made = JSON.stringify([tls, key, dialect, service, entered, exclusive]);
    const number = numbers.get(made) ?? numbers.size + 1;
    numbers.set(made, number);
    return `${place}#${number}`;
  };
}

/** An address that a name was resolved to is told apart from the same address under another name, or under none. */
function placeOf({ authority, ip }: ReplicaAddress): string {
  if (ip === undefined) return authority;
  const portAt = authority.lastIndexOf(":");
  const host = ip.includes(":") ? `[${ip}]` : ip;
  return `${host}${authority.slice(portAt)}/${authority.slice(0, portAt)}`;
}
