import { deviceCapacityText } from "@tensorgate/core";
import {
  isPodRunning,
  type KubernetesContainer,
  type KubernetesPod,
  type NodeList,
  type PodList,
} from "./kubernetes-objects.ts";

/** Devices of one node. */
export interface NodeDevices {
  readonly node: string;
  readonly region: string | undefined;
  readonly allocatableCount: number;
  readonly requestedCount: number;
}

/** Whether replicas find their devices. */
export interface Quota {
  readonly resource: string;
  readonly wantedCount: number;
  /** Over all nodes, and those that the service itself gives back. */
  readonly freeCount: number;
  /** Those with the resource. */
  readonly nodes: readonly NodeDevices[];
}

export interface QuotaQuery {
  readonly resource: string;
  readonly wantedCount: number;
  /** Service whose pods will be replaced, with its namespace. */
  readonly service?: { readonly name: string; readonly namespace: string } | undefined;
}

/**
 * Counts the devices that are free for replicas: allocatable less requested, over nodes that take pods. What the service
 * itself has counts as free, since its replicas are replaced.
 */
export function quotaOf(
  { resource, wantedCount, service }: QuotaQuery,
  nodes: NodeList,
  pods: PodList,
): Quota {
  const found = nodes.items
    .filter(({ status }) => Number(status.allocatable[resource] ?? 0) > 0)
    .filter(({ spec, status }) => !spec.unschedulable && isReady(status.conditions))
    .map(
      ({ metadata, status }): NodeDevices => ({
        node: metadata.name,
        region: metadata.labels["topology.kubernetes.io/region"],
        allocatableCount: Number(status.allocatable[resource]),
        requestedCount: pods.items
          .filter((pod) => pod.spec.nodeName === metadata.name && isPodRunning(pod))
          .filter(({ metadata: pod }) => !isOf(pod, service))
          .reduce((sum, { spec }) => sum + requestedCount(spec.containers, resource), 0),
      }),
    );
  return { resource, wantedCount, freeCount: freeCountOf(found), nodes: found };
}

const isReady = (conditions: readonly { readonly type: string; readonly status: string }[]) =>
  conditions.every(({ type, status }) => type !== "Ready" || status === "True");

const isOf = (pod: KubernetesPod["metadata"], service: QuotaQuery["service"]) =>
  service !== undefined &&
  pod.namespace === service.namespace &&
  pod.labels["app.kubernetes.io/instance"] === service.name &&
  pod.labels["app.kubernetes.io/component"] === "model";

/** Of extended resources, limits are requests. */
function requestedCount(containers: readonly KubernetesContainer[], resource: string): number {
  return containers.reduce(
    (sum, { resources: { requests = {}, limits = {} } }) =>
      sum + Number(requests[resource] ?? limits[resource] ?? 0),
    0,
  );
}

/** Says it in one line, such as `2 wanted, 1 free on 1 node (node-1: 1 of 1)`. */
export function quotaText({ resource, wantedCount, freeCount, nodes }: Quota): string {
  if (nodes.length === 0) return `${wantedCount} wanted, no node has ${resource}`;
  const list = nodes.map(({ node, region, allocatableCount, requestedCount: used }) => {
    const where = region === undefined ? node : `${node} in ${region}`;
    return `${where}: ${Math.max(0, allocatableCount - used)} of ${allocatableCount}`;
  });
  const count = nodes.length === 1 ? "1 node" : `${nodes.length} nodes`;
  return `${wantedCount} wanted, ${freeCount} free on ${count} (${list.join(", ")})`;
}

/** Lists the devices that containers ask for, by their names; processors and memory are no devices. */
export function deviceNames(containers: readonly KubernetesContainer[]): readonly string[] {
  const names = containers.flatMap(({ resources: { requests = {}, limits = {} } }) =>
    Object.keys({ ...requests, ...limits }),
  );
  return [...new Set(names.filter((name) => name.includes("/")))].sort();
}

/** Says how many devices are free in each region. */
export function capacityText({ resource, nodes }: Quota): string {
  const regions = [...Map.groupBy(nodes, ({ region }) => region ?? "")].map(([name, members]) => ({
    name,
    totalCount: members.reduce((sum, { allocatableCount }) => sum + allocatableCount, 0),
    freeCount: freeCountOf(members),
  }));
  return deviceCapacityText({ resource, regions });
}

const freeCountOf = (nodes: readonly NodeDevices[]) =>
  nodes.reduce(
    (sum, { allocatableCount, requestedCount: used }) => sum + Math.max(0, allocatableCount - used),
    0,
  );
