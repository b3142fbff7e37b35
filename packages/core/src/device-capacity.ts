/** Free devices of the cluster that a gateway runs in, as its nodes and pods say. */
export interface CapacityStatus {
  /** As they were read last; empty if they never were. */
  readonly devices: readonly DeviceCapacity[];
  /** Time since they were read, in milliseconds; absent if they never were. */
  readonly ageMs?: number;
  /** Why the last read failed; absent if it did not. */
  readonly because?: string;
}

/** Devices of one kind. */
export interface DeviceCapacity {
  /** Name of the resource, such as `xilinx.com/fpga`. */
  readonly resource: string;
  readonly regions: readonly RegionCapacity[];
}

/** Devices of one kind in one region. */
export interface RegionCapacity {
  /** Label `topology.kubernetes.io/region` of the nodes; empty for nodes without it. */
  readonly name: string;
  /** Devices that no pod has. */
  readonly freeCount: number;
  /** Devices of nodes that take pods. */
  readonly totalCount: number;
}

/**
 * Says how many devices are free in each region, regions without any first, such as
 * `no free xilinx.com/fpga in eastus (2 in use); westeurope has 2 of 2`.
 */
export function deviceCapacityText({ resource, regions }: DeviceCapacity): string {
  if (regions.length === 0) return `no node has ${resource}`;
  const nameOf = ({ name }: RegionCapacity) => name || "the cluster";
  const full = regions.filter(({ freeCount }) => freeCount === 0);
  const others = regions
    .filter(({ freeCount }) => freeCount > 0)
    .map((each) => `${nameOf(each)} has ${each.freeCount} of ${each.totalCount}`);
  if (full.length === 0) return `free ${resource}: ${others.join(", ")}`;
  const list = full.map((each) => `${nameOf(each)} (${each.totalCount} in use)`);
  return [`no free ${resource} in ${list.join(", ")}`, others.join(", ")]
    .filter(Boolean)
    .join("; ");
}

/** Says what is known of the devices, a line for each kind, and why nothing newer is. */
export function capacityLines({ devices, ageMs, because }: CapacityStatus): readonly string[] {
  const lines = devices.map(deviceCapacityText);
  if (ageMs === undefined) return [`free devices are unknown: ${because ?? "not read yet"}`];
  if (because === undefined) return lines;
  return [...lines, `free devices are those of ${Math.round(ageMs / 1_000)} s ago: ${because}`];
}
