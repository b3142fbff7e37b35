import type { DeviceCapacity, RegionCapacity } from "@tensorgate/core";
import { z } from "zod";

/** Quantities by resource, such as `{ "xilinx.com/fpga": "1" }`. */
type Quantities = Readonly<Record<string, string>>;

/** The parts of a node that are read. */
export interface DeviceNode {
  readonly name: string;
  /** Empty without the label. */
  readonly region: string;
  /** Whether it takes pods. */
  readonly isOpen: boolean;
  readonly allocatable: Quantities;
}

/** What a pod has of one node. */
export interface DevicePod {
  readonly node: string;
  readonly containers: readonly DeviceContainer[];
  readonly initContainers: readonly (DeviceContainer & { readonly isSidecar: boolean })[];
}

interface DeviceContainer {
  readonly requests: Quantities;
  readonly limits: Quantities;
}

/** Counts the free devices of each kind in each region: those of nodes that take pods, less what pods on them have. */
export function freeDevices(
  resources: readonly string[],
  nodes: readonly DeviceNode[],
  pods: readonly DevicePod[],
): readonly DeviceCapacity[] {
  const podsByNode = Map.groupBy(pods, ({ node }) => node);
  return resources.map((resource) => {
    const regions = new Map<string, RegionCapacity>();
    for (const { name: node, region: name, isOpen, allocatable } of nodes) {
      const count = Number(allocatable[resource] ?? 0);
      if (!isOpen || !(count > 0)) continue;
      const used = (podsByNode.get(node) ?? []).reduce(
        (sum, pod) => sum + devicesOf(pod, resource),
        0,
      );
      const { freeCount = 0, totalCount = 0 } = regions.get(name) ?? {};
      const free = freeCount + Math.max(0, count - used);
      regions.set(name, { name, freeCount: free, totalCount: totalCount + count });
    }
    return { resource, regions: [...regions.values()].toSorted(byName) };
  });
}

const byName = (a: RegionCapacity, b: RegionCapacity) => (a.name < b.name ? -1 : 1);

/**
 * Devices that the scheduler reserves for a pod: those of its containers and sidecars, or of an init container that needs
 * more. Of extended resources, limits are requests.
 */
function devicesOf({ containers, initContainers }: DevicePod, resource: string): number {
  const count = ({ requests, limits }: DeviceContainer) =>
    Number(requests[resource] ?? limits[resource] ?? 0);
  const sidecars = initContainers.filter(({ isSidecar }) => isSidecar);
  const running = [...containers, ...sidecars].reduce((sum, each) => sum + count(each), 0);
  return Math.max(running, ...initContainers.map(count));
}

const quantities = z.record(z.string(), z.string()).default({});
const resources = z
  .object({ requests: quantities, limits: quantities })
  .default({ requests: {}, limits: {} });
const container = z.object({ resources, restartPolicy: z.string().optional() });
const page = z.object({ continue: z.string().default("") }).default({ continue: "" });

const nodeList = z.object({
  metadata: page,
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), labels: quantities }),
      spec: z.object({ unschedulable: z.boolean().default(false) }).default({
        unschedulable: false,
      }),
      status: z.object({
        allocatable: quantities,
        conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
      }),
    }),
  ),
});

const podList = z.object({
  metadata: page,
  items: z.array(
    z.object({
      spec: z.object({
        nodeName: z.string().default(""),
        containers: z.array(container),
        initContainers: z.array(container).default([]),
      }),
    }),
  ),
});

/** A part of a list of the API server. */
export interface ListPage<Item> {
  readonly items: readonly Item[];
  /** Asks for the next part; empty for the last one. */
  readonly next: string;
}

/** Reads a list of nodes. @throws Error if it is none */
export function parseNodes(text: string): ListPage<DeviceNode> {
  const { metadata, items } = nodeList.parse(JSON.parse(text));
  return {
    next: metadata.continue,
    items: items.map(({ metadata: { name, labels }, spec, status }) => ({
      name,
      region: labels["topology.kubernetes.io/region"] ?? "",
      isOpen:
        !spec.unschedulable &&
        status.conditions.every(({ type, status: is }) => type !== "Ready" || is === "True"),
      allocatable: status.allocatable,
    })),
  };
}

/** Reads a list of pods, without those that have no device. @throws Error if it is none */
export function parsePods(text: string, devices: readonly string[]): ListPage<DevicePod> {
  const { metadata, items } = podList.parse(JSON.parse(text));
  const pods = items.map(
    ({ spec: { nodeName, containers, initContainers } }): DevicePod => ({
      node: nodeName,
      containers: containers.map((each) => each.resources),
      initContainers: initContainers.map(({ resources: of, restartPolicy }) => ({
        ...of,
        isSidecar: restartPolicy === "Always",
      })),
    }),
  );
  return {
    next: metadata.continue,
    items: pods.filter((pod) => devices.some((resource) => devicesOf(pod, resource) > 0)),
  };
}
