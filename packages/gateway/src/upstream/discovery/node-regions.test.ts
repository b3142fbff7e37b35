import { manualClockAndRandom } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { ownRegion } from "../../node-region.ts";
import { createReplicas } from "../replicas.ts";
import type { ReadyEndpoint, SliceEvent } from "./endpoint-slices.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

const pods: readonly ReadyEndpoint[] = [
  { ip: "10.0.0.1", node: "a", zone: "z1" },
  { ip: "10.0.0.2", node: "b", zone: "z2" },
  { ip: "10.0.0.3", node: "c", zone: "z1" },
  { ip: "10.0.0.4" },
];

/** A pool of a Service with four pods, whose nodes a test answers for. */
async function gateway(region: string) {
  const { clock, random } = manualClockAndRandom();
  const nodes = new Map<string, PromiseWithResolvers<{ readonly label: string | undefined }>>();
  const asked: string[] = [];
  let change: (event: SliceEvent) => void = () => {};
  const kubernetes: KubernetesApi = {
    list: async () => ({ slices: [{ name: "s", ready: pods }], resourceVersion: "1" }),
    watch: (_service, { onEvent }) => {
      change = onEvent;
      return new Promise(() => {});
    },
    nodeRegion: (name) => {
      asked.push(name);
      const answer = Promise.withResolvers<{ readonly label: string | undefined }>();
      nodes.set(name, answer);
      return answer.promise;
    },
  };
  const replicas = createReplicas(
    { pools: [{ model: "m", region, replicas: ["kubernetes:///m.default:8500"] }] },
    { ownRegion: "eastus", kubernetes, clock, random },
  );
  await settled();
  return {
    replicas,
    clock,
    asked,
    answer: async (node: string, label: string | undefined) => {
      nodes.get(node)?.resolve({ label });
      await settled();
    },
    refuse: async (node: string) => {
      nodes.get(node)?.reject(new Error("the API server answers 403"));
      await settled();
    },
    change: (ready: readonly ReadyEndpoint[]) =>
      change({ kind: "changed", slice: { name: "s", ready }, resourceVersion: "2" }),
    /** The last numbers of the pods' addresses in each region. */
    regions: () =>
      replicas.pools.map(
        (pool) =>
          `${pool.region}: ${pool.replicaIds.map((id) => /\.(\d+):/.exec(id)?.[1]).join(" ")}`,
      ),
    [Symbol.dispose]: replicas.close,
  };
}

test("each replica is in the region of its node, once that is known", async () => {
  using one = await gateway("kubernetes:///region");
  expect(one.regions()).toEqual(["eastus: 4"]);

  await one.answer("a", "westeurope");
  await one.answer("b", "eastus");
  await one.answer("c", undefined);

  expect(one.regions().toSorted()).toEqual(["eastus: 2 3 4", "westeurope: 1"]);
  // Nodes keep their regions.
  one.change([{ ip: "10.0.0.5", node: "a" }]);
  expect(one.regions()).toEqual(["westeurope: 5"]);
  one.change([]);
  expect(one.regions()).toEqual(["eastus: "]);
  expect(one.asked).toEqual(["a", "b", "c"]);
});

test("without the permission to read nodes, replicas are in the gateway's region until it is granted", async () => {
  using one = await gateway("kubernetes:///region");
  for (const node of ["a", "b", "c"]) await one.refuse(node);
  expect(one.regions()).toEqual(["eastus: 1 2 3 4"]);

  one.clock.advance(60_000);
  for (const node of ["a", "b", "c"]) await one.answer(node, "westeurope");

  expect(one.regions().toSorted()).toEqual(["eastus: 4", "westeurope: 1 2 3"]);
  expect(one.asked).toHaveLength(6);
  one.clock.advance(600_000);
  expect(one.asked).toHaveLength(6);
});

test("zones come with the endpoints, so no node is read", async () => {
  using one = await gateway("kubernetes:///zone");

  expect(one.regions()).toEqual(["z1: 1 3", "z2: 2", "eastus: 4"]);
  expect(one.asked).toEqual([]);
});

test("pools with the name of a region have all replicas in it", async () => {
  using one = await gateway("southcentralus");

  expect(one.regions()).toEqual(["southcentralus: 1 2 3 4"]);
  expect(one.asked).toEqual([]);
});

test.each([
  { configured: undefined, region: "local" },
  { configured: "eastus", region: "eastus" },
  { configured: "kubernetes:///region", region: "westeurope" },
  { configured: "kubernetes:///zone", region: "local" },
])("a gateway with the region $configured is in $region", ({ configured, region }) => {
  const env = { TENSORGATE_NODE_REGION: "westeurope", TENSORGATE_NODE_ZONE: "" };

  expect(ownRegion(configured, env)).toBe(region);
});
