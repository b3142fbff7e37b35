import { type Child, startChild } from "../child.ts";
import type { ReplicaCommands, ReplicaSettings } from "../replica/commands.ts";

/** A replica at an address of its own, whichever process serves there. */
export interface Replica extends AsyncDisposable {
  readonly region: string;
  /** What the gateway's status calls it. */
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
  readonly port: number;
  readonly child: Child<ReplicaCommands>;
  /** Starts another process at the same address. @param loadingMs - for which that one says LOADING */
  restart(loadingMs: number): Promise<void>;
}

export interface ReplicaPlace {
  readonly region: string;
  /** 1 for the first of its region. */
  readonly number: number;
}

/** Fast and nearly even, as a device that does one request at a time. @param serviceMs - that a request usually takes */
export function usualService(serviceMs: number): ReplicaSettings {
  return {
    port: 0,
    lanes: 1,
    seed: 1,
    roundTripMs: 0,
    loadingMs: 0,
    usualMs: serviceMs,
    slowMs: serviceMs * 10,
    slowShare: 0.02,
  };
}

/** Requests that one replica serves in a second at most. */
export function capacityPerSecond({
  lanes,
  usualMs,
  slowMs,
  slowShare,
}: Pick<ReplicaSettings, "lanes" | "usualMs" | "slowMs" | "slowShare">): number {
  return (lanes * 1_000) / (usualMs * (1 - slowShare) + slowMs * slowShare);
}

export async function startReplica(
  { region, number }: ReplicaPlace,
  settings: ReplicaSettings,
): Promise<Replica> {
  let child = startChild<ReplicaCommands>("replica/replica-process.ts");
  const { port } = await child.ask("start", settings);
  return {
    region,
    id: `${region}-${number}`,
    port,
    address: `127.0.0.1:${port}`,
    get child() {
      return child;
    },
    restart: async (loadingMs) => {
      await child[Symbol.asyncDispose]();
      child = startChild<ReplicaCommands>("replica/replica-process.ts");
      await child.ask("start", { ...settings, port, loadingMs });
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
