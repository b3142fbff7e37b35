import { expect, test } from "vitest";
import { capacityText, deviceNames, quotaOf, quotaText } from "./device-quota.ts";
import { nodeList, podList } from "./kubernetes-objects.ts";

const resource = "xilinx.com/fpga";

const node = (name: string, count: number, more: object = {}, labels: object = {}) => ({
  metadata: { name, labels },
  spec: {},
  status: { allocatable: { [resource]: String(count), cpu: "2" } },
  ...more,
});

const pod = (nodeName: string, count: number, more: object = {}) => ({
  metadata: { name: "p", namespace: "default", ...more },
  spec: { nodeName, containers: [{ resources: { limits: { [resource]: String(count) } } }, {}] },
  status: { phase: "Running" },
});

const shopModels = {
  labels: { "app.kubernetes.io/instance": "shop", "app.kubernetes.io/component": "model" },
};

function asked(wantedCount: number, nodes: readonly object[], pods: readonly object[] = []) {
  const service = { name: "shop", namespace: "default" };
  return quotaOf(
    { resource, wantedCount, service },
    nodeList.parse({ items: nodes }),
    podList.parse({ items: pods }),
  );
}

test("devices that pods have are not free, over all nodes", () => {
  const labels = { "topology.kubernetes.io/region": "eastus" };
  const nodes = [node("a", 2), node("b", 1, {}, labels), node("c", 0)];

  const quota = asked(3, nodes, [pod("a", 1), pod("b", 1)]);

  expect(quota).toMatchObject({ freeCount: 1, wantedCount: 3 });
  expect(quotaText(quota)).toBe("3 wanted, 1 free on 2 nodes (a: 1 of 2, b in eastus: 0 of 1)");
});

test.each([
  { name: "the service's own pods are replaced", pods: [pod("a", 1, shopModels)], freeCount: 1 },
  {
    name: "those of a service of the same name elsewhere are not",
    pods: [pod("a", 1, { ...shopModels, namespace: "other" })],
    freeCount: 0,
  },
  {
    name: "pods that have ended hold nothing",
    pods: [{ ...pod("a", 1), status: { phase: "Succeeded" } }],
    freeCount: 1,
  },
  { name: "pods that wait for a node hold nothing", pods: [pod("", 1)], freeCount: 1 },
  { name: "no node has less than none", pods: [pod("a", 3)], freeCount: 0 },
])("$name", ({ pods, freeCount }) => {
  expect(asked(1, [node("a", 1)], pods).freeCount).toBe(freeCount);
});

test.each([
  { name: "is cordoned", more: { spec: { unschedulable: true } } },
  {
    name: "is not ready",
    more: {
      status: {
        allocatable: { [resource]: "1" },
        conditions: [{ type: "Ready", status: "Unknown" }],
      },
    },
  },
])("a node that $name gives nothing", ({ more }) => {
  const quota = asked(1, [node("a", 1, more)]);

  expect(quota.freeCount).toBe(0);
  expect(quotaText(quota)).toBe("1 wanted, no node has xilinx.com/fpga");
});

const inRegion = (name: string, count: number, region: string) =>
  node(name, count, {}, { "topology.kubernetes.io/region": region });

test.each([
  {
    name: "a region is full",
    nodes: [inRegion("a", 1, "eastus"), inRegion("b", 1, "eastus"), inRegion("c", 2, "westeurope")],
    pods: [pod("a", 1), pod("b", 1)],
    text: "no free xilinx.com/fpga in eastus (2 in use); westeurope has 2 of 2",
  },
  {
    name: "every region has some",
    nodes: [inRegion("a", 2, "eastus"), inRegion("c", 2, "westeurope")],
    pods: [pod("a", 1)],
    text: "free xilinx.com/fpga: eastus has 1 of 2, westeurope has 2 of 2",
  },
  {
    name: "nodes have no region",
    nodes: [node("a", 1)],
    pods: [pod("a", 1)],
    text: "no free xilinx.com/fpga in the cluster (1 in use)",
  },
  { name: "there is none", nodes: [node("a", 0)], pods: [], text: "no node has xilinx.com/fpga" },
])("capacity is listed by region: $name", ({ nodes, pods, text }) => {
  expect(capacityText(asked(0, nodes, pods))).toBe(text);
});

test("devices are what containers ask for beside processors and memory", () => {
  const containers = [
    { resources: { requests: { cpu: "1", memory: "1Gi" }, limits: { "xilinx.com/fpga": "1" } } },
    { resources: { limits: { "nvidia.com/gpu": "1", "xilinx.com/fpga": "1" } } },
    { resources: {} },
  ];

  expect(deviceNames(containers)).toEqual(["nvidia.com/gpu", "xilinx.com/fpga"]);
});
