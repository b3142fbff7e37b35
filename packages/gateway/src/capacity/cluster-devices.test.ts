import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { createClusterDevices } from "./cluster-devices.ts";

const fpga = "xilinx.com/fpga";

/** An API server that has these lists, by their paths, in pages of two entries. */
function apiServer(lists: Readonly<Record<string, readonly object[] | number>>) {
  const asked: URL[] = [];
  const read = createClusterDevices({
    namespace: "default",
    send: async ({ path }) => {
      const url = new URL(path, "https://kubernetes");
      asked.push(url);
      const list = lists[url.pathname] ?? 404;
      const statusCode = typeof list === "number" ? list : 200;
      const at = Number(url.searchParams.get("continue") ?? 0);
      const all = typeof list === "number" ? [] : list;
      const next = at + 2 < all.length ? String(at + 2) : "";
      const body = { metadata: { continue: next }, items: all.slice(at, at + 2) };
      const pieces = Readable.from([JSON.stringify(body)]);
      return Object.assign(pieces, { statusCode }) as unknown as IncomingMessage;
    },
  });
  return { read: (...resources: string[]) => read(resources, AbortSignal.timeout(5_000)), asked };
}

interface NodeInfo {
  readonly region?: string;
  readonly count?: string;
  readonly isClosed?: boolean;
  readonly isReady?: boolean;
}

const node = (name: string, { region, count, isClosed, isReady = true }: NodeInfo) => ({
  metadata: { name, ...(region && { labels: { "topology.kubernetes.io/region": region } }) },
  spec: isClosed ? { unschedulable: true } : {},
  status: {
    allocatable: { cpu: "4", ...(count && { [fpga]: count }) },
    conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
  },
});

const using = (count: string, more: object = {}) => ({
  resources: { limits: { [fpga]: count } },
  ...more,
});
const pod = (nodeName: string, containers: readonly object[], initContainers?: readonly object[]) =>
  ({ spec: { nodeName, containers, ...(initContainers && { initContainers }) } }) as const;

test("free devices are those of open nodes, less what pods on them have, by region", async () => {
  const { read, asked } = apiServer({
    "/api/v1/nodes": [
      node("a", { region: "eastus", count: "1" }),
      node("b", { region: "eastus", count: "1" }),
      node("c", { region: "westeurope", count: "4" }),
      node("closed", { region: "westeurope", count: "4", isClosed: true }),
      node("broken", { region: "westeurope", count: "4", isReady: false }),
      node("plain", { region: "northeurope" }),
      node("unlabelled", { count: "2" }),
    ],
    "/api/v1/pods": [
      pod("a", [using("1")]),
      pod("b", [using("1"), { resources: {} }]),
      pod("plain", [{}]),
      pod("c", [{ resources: { requests: { [fpga]: "1" } } }]),
      // An init container ends before the others begin, and a sidecar does not.
      pod("c", [using("1")], [using("1"), using("1", { restartPolicy: "Always" })]),
      pod("closed", [using("4")]),
    ],
  });

  expect(await read(fpga, "nvidia.com/gpu")).toEqual([
    {
      resource: fpga,
      regions: [
        { name: "", freeCount: 2, totalCount: 2 },
        { name: "eastus", freeCount: 0, totalCount: 2 },
        { name: "westeurope", freeCount: 1, totalCount: 4 },
      ],
    },
    { resource: "nvidia.com/gpu", regions: [] },
  ]);
  const pods = asked.filter(({ pathname }) => pathname === "/api/v1/pods");
  expect(pods).toHaveLength(3);
  for (const { searchParams } of pods) {
    expect(Object.fromEntries(searchParams)).toMatchObject({
      limit: "500",
      fieldSelector: "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed",
    });
  }
});

test("pods are not listed in a cluster without such devices", async () => {
  const { read, asked } = apiServer({ "/api/v1/nodes": [node("plain", {})] });

  expect(await read(fpga)).toEqual([{ resource: fpga, regions: [] }]);
  expect(asked).toHaveLength(1);
});

test.each([
  { lists: { "/api/v1/nodes": 403 }, says: "the gateway may not list nodes; grant it by" },
  {
    lists: { "/api/v1/nodes": [node("a", { count: "1" })], "/api/v1/pods": 403 },
    says: "the gateway may not list pods; grant it by",
  },
  { lists: { "/api/v1/nodes": 500 }, says: "the API server answers 500 to the list of nodes" },
])("a list that the API server refuses is reported: $says", async ({ lists, says }) => {
  await expect(apiServer(lists).read(fpga)).rejects.toThrow(says);
});
