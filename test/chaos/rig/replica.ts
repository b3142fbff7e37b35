import { type Child, startChild } from "../child.ts";
import type { ReplicaCommands, ReplicaSettings } from "../replica/commands.ts";

/** A replica at a fixed address, which a restart keeps. */
export interface Replica extends AsyncDisposable {
  readonly region: string;
  /** Alias in the gateway's status. */
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
  readonly port: number;
  readonly child: Child<ReplicaCommands>;
  /** Starts another process at the same address. @param loadingMs - for how long it reports LOADING */
  restart(loadingMs: number): Promise<void>;
}

export interface ReplicaPlace {
  readonly region: string;
  /** 1 for the first of its region. */
  readonly number: number;
}

/** Fast and nearly constant, as a device with a concurrency of 1. @param serviceMs - median service time */
export function usualService(serviceMs: number): ReplicaSettings {
  return {
    port: 0,
    concurrency: 1,
    seed: 1,
    roundTripMs: 0,
    loadingMs: 0,
    usualMs: serviceMs,
    slowMs: serviceMs * 10,
    slowShare: 0.02,
  };
}

/** Maximum throughput of one replica, in requests per second. */
export function capacityPerSecond({
  concurrency,
  usualMs,
  slowMs,
  slowShare,
}: Pick<ReplicaSettings, "concurrency" | "usualMs" | "slowMs" | "slowShare">): number {
  return (concurrency * 1_000) / (usualMs * (1 - slowShare) + slowMs * slowShare);
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
