import type { GatewayStatus, PoolStatus, RegionStatus, ReplicaStatus } from "@tensorgate/core";

/** States of a replica by how much it is used: what one worker has excluded another one may still use. */
const statesByUse: readonly ReplicaStatus["state"][] = [
  "ready",
  "half-open",
  "warming",
  "suspect",
  "draining",
  "ejected",
];

/**
 * Adds up the status of several workers of one configuration.
 *
 * @param statuses - of the workers that answered; at least one
 */
export function joinedStatus(
  statuses: readonly [GatewayStatus, ...GatewayStatus[]],
): GatewayStatus {
  const [first] = statuses;
  const uptimeMs = Math.max(...statuses.map((each) => each.uptimeMs));
  const owner = statuses.find(({ sharing }) => sharing?.role === "owner");
  // It schedules the calls of all, and the others know nothing more.
  const capacity = statuses.find((each) => each.capacity)?.capacity;
  if (owner) return { ...owner, uptimeMs, ...(capacity && { capacity }) };
  const regions = groupedBy(
    statuses.flatMap((each) => each.regions),
    ({ name }) => name,
  );
  const { version, region, sharing } = first;
  return {
    version,
    region,
    uptimeMs,
    retriesLeft: sum(statuses, ({ retriesLeft }) => retriesLeft),
    ...(sharing && { sharing }),
    ...(capacity && { capacity }),
    regions: regions.map(joinedRegion),
  };
}

function joinedRegion(regions: Several<RegionStatus>): RegionStatus {
  const roundTripMs = least(regions, (each) => each.roundTripMs);
  const pools = groupedBy(
    regions.flatMap((each) => each.pools),
    ({ model }) => model,
  );
  return {
    ...regions[0],
    ...(roundTripMs !== undefined && { roundTripMs }),
    pools: pools.map(joinedPool),
  };
}

function joinedPool(pools: Several<PoolStatus>): PoolStatus {
  const expectedWaitMs = least(pools, (each) => each.expectedWaitMs);
  const replicas = groupedBy(
    pools.flatMap((each) => each.replicas),
    ({ address, id }) => address ?? id,
  );
  return {
    ...pools[0],
    waiting: sum(pools, ({ waiting }) => waiting),
    ...(expectedWaitMs !== undefined && { expectedWaitMs }),
    isOverloaded: pools.some(({ isOverloaded }) => isOverloaded),
    replicas: replicas.map(joinedReplica),
  };
}

function joinedReplica(replicas: Several<ReplicaStatus>): ReplicaStatus {
  const serviceMs = meanByAnswers(replicas, (each) => each.serviceMs);
  const latencyMs = meanByAnswers(replicas, (each) => each.latencyMs);
  const lastProbe = replicas.find((each) => each.lastProbe !== undefined)?.lastProbe;
  return {
    ...replicas[0],
    state: statesByUse.find((state) => replicas.some((each) => each.state === state)) ?? "ejected",
    inFlight: sum(replicas, ({ inFlight }) => inFlight),
    slots: sum(replicas, ({ slots }) => slots),
    answered: sum(replicas, ({ answered }) => answered),
    failed: sum(replicas, ({ failed }) => failed),
    ejections: sum(replicas, ({ ejections }) => ejections),
    ...(serviceMs !== undefined && { serviceMs }),
    ...(latencyMs !== undefined && { latencyMs }),
    ...(lastProbe !== undefined && { lastProbe }),
  };
}

type Several<Item> = readonly [Item, ...Item[]];

/** Groups in the order of the first of each group. */
function groupedBy<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
): readonly Several<Item>[] {
  return [...Map.groupBy(items, keyOf).values()] as unknown as readonly Several<Item>[];
}

function sum<Item>(items: readonly Item[], figureOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + figureOf(item), 0);
}

function least<Item>(
  items: readonly Item[],
  figureOf: (item: Item) => number | undefined,
): number | undefined {
  const values = items.map(figureOf).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : Math.min(...values);
}

/** Mean over the workers that measured it, weighted by their answers. */
function meanByAnswers(
  replicas: readonly ReplicaStatus[],
  figureOf: (replica: ReplicaStatus) => number | undefined,
): number | undefined {
  const measured = replicas.filter((each) => figureOf(each) !== undefined);
  const weight = sum(measured, ({ answered }) => Math.max(1, answered));
  if (weight === 0) return undefined;
  return sum(measured, (each) => (figureOf(each) ?? 0) * Math.max(1, each.answered)) / weight;
}
