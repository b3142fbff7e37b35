import type { Clock } from "@tensorgate/core";
import { type Credentials, credentials } from "./credentials.ts";
import { azureFpgaReplica, serviceRoute } from "./dialects/azure-fpga.ts";
import { tensorflowServingReplica } from "./dialects/tensorflow-serving.ts";
import { peerHeaders, peerReplica } from "./dialects/tensorgate-peer.ts";
import type { ReplicaAddress } from "./discovery/address-source.ts";
import { exclusiveReplica } from "./exclusive-replica.ts";
import type { ChannelOptions } from "./options.ts";
import { type PoolAddresses, tlsOf } from "./pool-addresses.ts";
import type { Replica } from "./replica.ts";
import { type UnaryChannel, unaryChannel } from "./transport/unary-channel.ts";

/** A replica with the connection that it is spoken to over. */
export interface HeldReplica {
  readonly replica: Replica;
  /** Takes no more calls. Resolves when those in flight have ended. */
  close(): Promise<void>;
}

export interface HeldReplicaParts {
  readonly settings: Required<ChannelOptions>;
  readonly clock: Clock;
}

/** A pool whose files and variables can be used. */
export interface CheckedPool {
  readonly pool: PoolAddresses;
  readonly credentials: Credentials;
}

/**
 * @param where - the pool in the configuration, for messages
 * @throws SettingError if a file or a variable of the pool cannot be used
 */
export function checkedPool(pool: PoolAddresses, where: string): CheckedPool {
  const { dialect, service, key, gateway, region } = pool;
  const held = credentials(
    {
      ...{ tls: tlsOf(pool), key },
      isKeyBare: dialect === "azure-fpga-preview",
      headers: {
        ...(service !== undefined && serviceRoute(service)),
        ...(gateway !== undefined && peerHeaders(region)),
      },
    },
    where,
  );
  // What cannot be used is told now rather than by the first call.
  held.read();
  return { pool, credentials: held };
}

/** One replica of `checked`; its connection is made by the first call. */
export function heldReplica(
  { authority, ip }: ReplicaAddress,
  { pool, credentials: held }: CheckedPool,
  { settings, clock }: HeldReplicaParts,
): HeldReplica {
  const channel = unaryChannel({
    ...{ address: authority, credentials: held, settings, clock },
    ...(ip !== undefined && { ip }),
  });
  return { replica: replicaOver(channel), close: channel.close };

  function replicaOver(over: UnaryChannel): Replica {
    const { dialect = "tensorflow-serving", gateway, region, exclusive = false } = pool;
    if (gateway !== undefined) return peerReplica(over, { region, clock });
    if (dialect !== "tensorflow-serving") return azureFpgaReplica(over, dialect);
    const stock = tensorflowServingReplica(over);
    return exclusive ? exclusiveReplica(stock) : stock;
  }
}
