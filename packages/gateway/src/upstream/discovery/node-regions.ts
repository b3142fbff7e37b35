import type { ClockAndRandom } from "@tensorgate/core";
import type { NodeLabel } from "../../node-region.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";
import type { ReplicaAddress } from "./resolver.ts";

/** Regions of replicas, by the nodes that they run on. */
export interface NodeRegions {
  /**
   * Returns the region of a replica: the gateway's own one, if that of its node cannot be known.
   *
   * @returns undefined while the node is being read
   */
  regionOf(address: ReplicaAddress, label: NodeLabel): string | undefined;
  close(): void;
}

export interface NodeRegionsOptions extends Pick<ClockAndRandom, "clock"> {
  /** Undefined outside of Kubernetes. */
  readonly api: KubernetesApi | undefined;
  readonly ownRegion: string;
  /** Called when the region of a node becomes known. */
  readonly onChange: () => void;
}

/** Nodes that are kept; a gateway with replicas on more nodes reads some of them again. */
const maxNodes = 4_096;
/** Time until nodes that could not be read are read again, in milliseconds. */
const retryMs = 60_000;

/**
 * Creates the regions of nodes. The zone comes with the endpoint. The region is a label of the node, which is read once:
 * without the permission to read nodes, replicas are in the gateway's own region.
 */
export function createNodeRegions({
  api,
  ownRegion,
  onChange,
  clock,
}: NodeRegionsOptions): NodeRegions {
  const closing = new AbortController();
  const reading = new Set<string>();
  /** By node; null for one that could not be read. */
  const known = new Map<string, string | null>();
  let timer: Disposable | undefined;

  async function read(node: string, { nodeRegion }: KubernetesApi): Promise<void> {
    reading.add(node);
    const region = await nodeRegion(node, closing.signal).catch(() => undefined);
    reading.delete(node);
    if (closing.signal.aborted) return;
    const [oldest] = known.keys();
    if (known.size >= maxNodes && oldest !== undefined) known.delete(oldest);
    known.set(node, region?.label ?? null);
    if (region === undefined) timer ??= clock.setTimer(retryMs, readAgain);
    onChange();
  }

  function readAgain(): void {
    timer = undefined;
    if (!api) return;
    for (const [node, region] of known) if (region === null) void read(node, api);
  }

  return {
    regionOf: ({ node, zone }, label) => {
      if (label === "zone") return zone ?? ownRegion;
      if (node === undefined || !api) return ownRegion;
      const region = known.get(node);
      if (region !== undefined) return region ?? ownRegion;
      if (!reading.has(node)) void read(node, api);
      return undefined;
    },
    close: () => {
      closing.abort();
      timer?.[Symbol.dispose]();
    },
  };
}
