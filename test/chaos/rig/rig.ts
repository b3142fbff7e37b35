import { type Child, startChild } from "../child.ts";
import type { LoadCommands } from "../load/commands.ts";
import type { ReplicaSettings } from "../replica/commands.ts";
import { type RunningGateway, startGateway } from "./gateway.ts";
import { capacityPerSecond, type Replica, startReplica, usualService } from "./replica.ts";
import { type StatusWatch, watchStatus } from "./status-watch.ts";

export interface RigPlan {
  /** The gateway's own region first. */
  readonly regions: readonly RegionPlan[];
  /** Median service time, in milliseconds. */
  readonly serviceMs: number;
  /** Differences from the usual replica. */
  readonly service?: Partial<ReplicaSettings>;
  readonly gatewayCount?: number;
  readonly isIdempotent?: boolean;
  /** Settings of one replica only. */
  readonly serviceOf?: (index: number) => Partial<ReplicaSettings>;
}

export interface RegionPlan {
  readonly name: string;
  readonly replicas: number;
  readonly roundTripMs?: number;
}

/** Replicas, gateways and a load, each in its own process; disposing of it ends them all. */
export interface Rig extends AsyncDisposable {
  readonly replicas: readonly Replica[];
  readonly gateways: readonly RunningGateway[];
  readonly load: Child<LoadCommands>;
  /** Of the first gateway. */
  readonly status: StatusWatch;
  /** Throughput of the first region, in requests per second. */
  readonly perSecond: number;
}

export async function startRig(plan: RigPlan): Promise<Rig> {
  const { regions, serviceMs, service, serviceOf, gatewayCount = 1, isIdempotent = true } = plan;
  const usual = { ...usualService(serviceMs), ...service };
  await using started = new AsyncDisposableStack();
  const load = started.use(startChild<LoadCommands>("load/load-process.ts"));
  const places = regions.flatMap(({ name: region, replicas, roundTripMs = 0 }) =>
    Array.from({ length: replicas }, (_, index) => ({ region, number: index + 1, roundTripMs })),
  );
  const replicas = await Promise.all(
    places.map(async ({ roundTripMs, ...place }, index) => {
      const own = { seed: index + 1, roundTripMs, ...serviceOf?.(index) };
      return started.use(await startReplica(place, { ...usual, ...own }));
    }),
  );
  const gateways = await Promise.all(
    Array.from({ length: gatewayCount }, async () =>
      started.use(
        await startGateway({ replicas, isIdempotent, concurrency: usual.concurrency ?? 1 }),
      ),
    ),
  );
  const status = started.use(watchStatus(gateways[0]?.port ?? 0));
  const ofFirst = replicas.filter(({ region }) => region === regions[0]?.name);
  const held = started.move();
  return {
    replicas,
    gateways,
    load,
    status,
    perSecond: ofFirst.length * capacityPerSecond(usual),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
