import type { DeviceCapacity } from "@tensorgate/core";
import type { KubernetesAccount } from "../kubernetes-account.ts";
import { freeDevices, type ListPage, parseNodes, parsePods } from "./free-devices.ts";

/** Reads the free devices of a cluster. @throws Error with what failed, for people */
export type ReadDevices = (
  resources: readonly string[],
  signal: AbortSignal,
) => Promise<readonly DeviceCapacity[]>;

/** Entries of one answer of the API server. */
const pageSize = 500;
/** Pages of one list; a cluster of 100,000 pods has 200. */
const maxPages = 400;
/** Longest page, in characters. */
const maxPageChars = 32 << 20;
/** Time without a byte after which a request fails, in milliseconds. */
const timeoutMs = 10_000;

/** Creates a reader that asks the API server by the account of this pod. */
export function createClusterDevices(account: KubernetesAccount): ReadDevices {
  async function text(path: string, signal: AbortSignal): Promise<string> {
    const response = await account.send({ path, signal, timeoutMs });
    if (response.statusCode !== 200) {
      response.destroy();
      const [list] = path.slice("/api/v1/".length).split("?");
      throw new Error(refusal(response.statusCode, list));
    }
    let body = "";
    for await (const piece of response.setEncoding("utf8")) {
      body += piece;
      if (body.length > maxPageChars) throw new Error("the API server's answer is too long");
    }
    return body;
  }

  async function all<Item>(
    { path, query = {} }: { readonly path: string; readonly query?: Record<string, string> },
    parse: (page: string) => ListPage<Item>,
    signal: AbortSignal,
  ): Promise<readonly Item[]> {
    const items: Item[] = [];
    let next = "";
    for (let page = 0; page < maxPages; page += 1) {
      const limits = { limit: String(pageSize), ...(next !== "" && { continue: next }) };
      const parameters = new URLSearchParams({ ...query, ...limits });
      const parsed = parse(await text(`${path}?${parameters}`, signal));
      items.push(...parsed.items);
      ({ next } = parsed);
      if (next === "") return items;
    }
    throw new Error(`the cluster has more than ${maxPages * pageSize} entries of ${path}`);
  }

  return async (resources, signal) => {
    const nodes = await all({ path: "/api/v1/nodes" }, parseNodes, signal);
    const hasDevices = nodes.some(({ allocatable }) =>
      resources.some((resource) => Number(allocatable[resource] ?? 0) > 0),
    );
    // Most clusters have many pods, and a cluster without devices need not list them.
    if (!hasDevices) return freeDevices(resources, nodes, []);
    const fieldSelector = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed";
    const pods = await all(
      { path: "/api/v1/pods", query: { fieldSelector } },
      (page) => parsePods(page, resources),
      signal,
    );
    return freeDevices(resources, nodes, pods);
  };
}

function refusal(status: number | undefined, list: string | undefined): string {
  if (status !== 403) return `the API server answers ${status} to the list of ${list}`;
  return `the gateway may not list ${list}; grant it by gateway.capacity.enabled of the chart, or a ClusterRole that lists nodes and pods`;
}
