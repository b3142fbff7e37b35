import type { ReplicaAddress } from "./discovery/address-source.ts";
import type { PoolAddresses } from "./pool-addresses.ts";

/** Names replicas: whoever is reached in the same way has the same id, in every pool and for as long as this lives. */
export type ReplicaIds = (address: ReplicaAddress, pool: PoolAddresses) => string;

export function replicaIds(): ReplicaIds {
  /** By what pools say beside addresses. */
  const numbers = new Map<string, number>();

  return ({ authority }, { tls, key, dialect = "tensorflow-serving", service }) => {
    if (!tls && !key && !service && dialect === "tensorflow-serving") return authority;
    const made = JSON.stringify([tls, key, dialect, service]);
    const number = numbers.get(made) ?? numbers.size + 1;
    numbers.set(made, number);
    return `${authority}#${number}`;
  };
}
