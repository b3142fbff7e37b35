import { manualClockAndRandom } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import {
  parseSliceEvent,
  parseSliceList,
  type SliceEvent,
  type SliceList,
} from "./endpoint-slices.ts";
import { inClusterApi, type KubernetesApi } from "./kubernetes-api.ts";
import { createKubernetesResolver, kubernetesServiceFrom } from "./kubernetes-resolver.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

const endpoints = (ips: readonly string[]) => ips.map((ip) => ({ ip }));

/** An API server that a test answers for. */
function apiServer() {
  const lists: PromiseWithResolvers<SliceList>[] = [];
  const watches: {
    readonly resourceVersion: string;
    readonly signal: AbortSignal;
    readonly ended: PromiseWithResolvers<void>;
    readonly say: (event: SliceEvent) => void;
  }[] = [];
  const api: KubernetesApi = {
    list: () => {
      const answer = Promise.withResolvers<SliceList>();
      lists.push(answer);
      return answer.promise;
    },
    watch: (_service, { resourceVersion, onEvent, signal }) => {
      const ended = Promise.withResolvers<void>();
      watches.push({
        resourceVersion,
        signal,
        ended,
        say: (event) => {
          try {
            onEvent(event);
          } catch (thrown) {
            ended.reject(thrown);
          }
        },
      });
      return ended.promise;
    },
    nodeRegion: () => Promise.reject(new Error("refused")),
  };
  return {
    api,
    lists,
    watches,
    async list(slices: Readonly<Record<string, readonly string[]>>) {
      const all = Object.entries(slices).map(([name, ips]) => ({ name, ready: endpoints(ips) }));
      lists.at(-1)?.resolve({ slices: all, resourceVersion: String(lists.length) });
      await settled();
    },
    change: (name: string, ips: readonly string[]) =>
      watches.at(-1)?.say({
        kind: "changed",
        slice: { name, ready: endpoints(ips) },
        resourceVersion: "9",
      }),
  };
}

function resolver() {
  const server = apiServer();
  const { clock, random } = manualClockAndRandom();
  let changeCount = 0;
  const onChange = () => {
    changeCount += 1;
  };
  const made = createKubernetesResolver("shapes.default:8500", {
    api: server.api,
    onChange,
    clock,
    random,
  });
  return {
    made,
    server,
    clock,
    changeCount: () => changeCount,
    ips: () => made.addresses.map(({ ip }) => ip),
  };
}

test("every ready pod of all slices is a replica, under the name of the Service", async () => {
  const { made, server, changeCount } = resolver();
  expect(made.addresses).toEqual([]);

  await server.list({ b: ["10.0.0.2"], a: ["10.0.0.1", "10.0.0.2"] });

  expect(made.addresses).toEqual([
    { authority: "shapes.default.svc:8500", ip: "10.0.0.1" },
    { authority: "shapes.default.svc:8500", ip: "10.0.0.2" },
  ]);
  expect(changeCount()).toBe(1);
  expect(server.watches.map(({ resourceVersion }) => resourceVersion)).toEqual(["1"]);
});

test("pods come and go as the watch says, and bookmarks change nothing", async () => {
  const { server, ips, changeCount } = resolver();
  await server.list({ a: ["10.0.0.1"], b: ["10.0.0.9"] });

  server.change("a", ["10.0.0.1", "10.0.0.3"]);
  expect(ips()).toEqual(["10.0.0.1", "10.0.0.3", "10.0.0.9"]);
  server.watches[0]?.say({ kind: "deleted", name: "b", resourceVersion: "8" });
  server.watches[0]?.say({ kind: "bookmark", resourceVersion: "10" });
  server.change("a", ["10.0.0.3"]);

  expect(ips()).toEqual(["10.0.0.3"]);
  expect(changeCount()).toBe(4);
  // A Service without ready pods has none, unlike a name server that does not answer.
  server.change("a", []);
  expect(ips()).toEqual([]);
});

test("after the end of a watch the pods are listed again, and keep their places meanwhile", async () => {
  const { server, ips, clock } = resolver();
  await server.list({ a: ["10.0.0.1"] });

  server.watches[0]?.ended.resolve();
  await settled();
  expect(ips()).toEqual(["10.0.0.1"]);
  clock.advance(1_000);
  await server.list({ b: ["10.0.0.2"] });

  expect(ips()).toEqual(["10.0.0.2"]);
});

test.each(["fails", "is too old"])("while the API %s, the pods stay", async (how) => {
  const { server, ips, clock } = resolver();
  await server.list({ a: ["10.0.0.1"] });
  if (how === "fails") server.watches[0]?.ended.reject(new Error("gone"));
  else server.watches[0]?.say({ kind: "expired" });
  await settled();

  for (let count = 0; count < 4; count += 1) {
    clock.advance(30_000);
    server.lists.at(-1)?.reject(new Error("refused"));
    await settled();
  }
  expect(ips()).toEqual(["10.0.0.1"]);
  expect(server.lists.length).toBeGreaterThan(3);

  clock.advance(30_000);
  await server.list({ a: ["10.0.0.4"] });
  expect(ips()).toEqual(["10.0.0.4"]);
});

test("closing ends the watch, and nothing that comes later counts", async () => {
  const { made, server, ips, clock } = resolver();
  await server.list({ a: ["10.0.0.1"] });

  made.close();
  expect(server.watches[0]?.signal.aborted).toBe(true);
  server.change("a", []);
  server.watches[0]?.ended.resolve();
  await settled();
  clock.advance(60_000);

  expect(ips()).toEqual(["10.0.0.1"]);
  expect(server.lists).toHaveLength(1);
});

const slice = {
  metadata: { name: "s", resourceVersion: "7" },
  endpoints: [
    { addresses: ["10.0.0.1"], conditions: { ready: true, serving: true, terminating: false } },
    { addresses: ["10.0.0.2"], conditions: { ready: false, serving: true, terminating: true } },
    { addresses: ["10.0.0.3"], conditions: { ready: true, terminating: true } },
    { addresses: ["10.0.0.4"], conditions: { ready: null }, nodeName: "node-1", zone: "z1" },
    { addresses: ["10.0.0.5"] },
  ],
};

test("slices are read as the API server writes them", () => {
  const ready = [
    { ip: "10.0.0.1" },
    { ip: "10.0.0.4", node: "node-1", zone: "z1" },
    { ip: "10.0.0.5" },
  ];
  const list = {
    metadata: { resourceVersion: "7" },
    items: [slice, { metadata: { name: "empty" }, endpoints: null }],
  };
  const line = (type: string, object: unknown) => parseSliceEvent(JSON.stringify({ type, object }));

  expect(parseSliceList(JSON.stringify(list))).toEqual({
    slices: [
      { name: "s", ready },
      { name: "empty", ready: [] },
    ],
    resourceVersion: "7",
  });
  expect(line("MODIFIED", slice)).toEqual({
    kind: "changed",
    slice: { name: "s", ready },
    resourceVersion: "7",
  });
  expect(line("DELETED", slice)).toMatchObject({ kind: "deleted", name: "s" });
  expect(line("BOOKMARK", { metadata: { resourceVersion: "8" } })).toEqual({
    kind: "bookmark",
    resourceVersion: "8",
  });
  expect(line("ERROR", { kind: "Status", code: 410 })).toEqual({ kind: "expired" });
  expect(() => parseSliceEvent("{}")).toThrow();
});

test("a Service is named with its namespace, and there is no API outside of a cluster", () => {
  expect(kubernetesServiceFrom("shop-shapes.default:8500")).toEqual({
    name: "shop-shapes",
    namespace: "default",
    port: "8500",
  });
  expect(kubernetesServiceFrom("shapes:8500")).toBeUndefined();
  expect(inClusterApi({})).toBeUndefined();
});
