/**
 * What stands for a region in the configuration: the label `topology.kubernetes.io/region`, or `/zone`, of the node that
 * a pod runs on.
 */
export const nodeRegions = {
  "kubernetes:///region": "region",
  "kubernetes:///zone": "zone",
} as const;

export type NodeLabel = (typeof nodeRegions)[keyof typeof nodeRegions];

/** Returns the label of the node that a region stands for; undefined for the name of a region. */
export function nodeLabelOf(region: string): NodeLabel | undefined {
  return Object.hasOwn(nodeRegions, region)
    ? nodeRegions[region as keyof typeof nodeRegions]
    : undefined;
}

const variables: Readonly<Record<NodeLabel, string>> = {
  region: "TENSORGATE_NODE_REGION",
  zone: "TENSORGATE_NODE_ZONE",
};

/** Returns options with the name of the region that this gateway is in. */
export function withOwnRegion<Options extends { readonly region?: string }>(
  options: Options,
): Options & { readonly region: string } {
  return { ...options, region: ownRegion(options.region) };
}

/**
 * Returns the region of this gateway. That of its node is in an environment variable, which the chart fills with the label
 * of the pod: Kubernetes 1.35 and later copies it from the node. Without it the region is `local`.
 *
 * @see KEP-4742, "Node Topology Labels via Downward API"
 */
export function ownRegion(configured = "local", env: NodeJS.ProcessEnv = process.env): string {
  const label = nodeLabelOf(configured);
  return label === undefined ? configured : env[variables[label]] || "local";
}
