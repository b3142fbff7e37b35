import {
  NotSupportedError,
  type Signature,
  UnknownModelError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createModelDiscovery, type DiscoverableReplicas } from "./model-discovery.ts";
import type { Replica, ReplicaState } from "./replica.ts";

interface Behaviour {
  readonly state?: ReplicaState;
  readonly signature?: Signature;
  /** What its probe fails with. */
  readonly error?: Error;
}

/** Replicas by id; they can be given another behaviour. */
function watched(initial: Readonly<Record<string, Behaviour>>) {
  const behaviours = new Map(Object.entries(initial));
  let metadataCount = 0;
  const replica = (id: string): Pick<Replica, "probe" | "modelMetadata" | "score"> => ({
    probe: async () => {
      const { state, error } = behaviours.get(id) ?? {};
      if (!state) throw error ?? new UpstreamFailedError("gone");
      return state;
    },
    score: async () => {
      throw new UpstreamFailedError("not scored here");
    },
    modelMetadata: async () => {
      metadataCount += 1;
      const signature = behaviours.get(id)?.signature;
      if (!signature) throw new NotSupportedError("it cannot tell");
      return {
        model: { name: "m", version: 1n },
        signatures: new Map([["serving_default", signature]]),
      };
    },
  });
  const listeners: (() => void)[] = [];
  let replicaIds = Object.keys(initial);
  const replicas: DiscoverableReplicas = {
    get pools() {
      return [{ model: "m", region: "r", replicaIds }];
    },
    byId: { get: replica },
    onChange: (listener) => void listeners.push(listener),
  };
  const discovery = createModelDiscovery(replicas, { clock: manualClock() });
  return {
    watch: {
      reported: discovery.reported,
      probe: (model: string, id: string) => discovery.probe(model, id, 1_000),
    },
    behave: (id: string, behaviour: Behaviour) => behaviours.set(id, behaviour),
    change: (...ids: readonly string[]) => {
      replicaIds = [...ids];
      for (const listener of listeners) listener();
    },
    metadataCount: () => metadataCount,
  };
}

const ready = (...versions: readonly bigint[]): ReplicaState => ({ isReady: true, versions });
const signature = (input: string): Signature => ({
  inputs: new Map([[input, { dtype: "BYTES", shape: [-1] }]]),
  outputs: new Map(),
});

test("versions are those of all replicas, highest first; a replica that is lost says nothing", async () => {
  const { watch } = watched({ a: { state: ready(1n, 3n) }, b: { state: ready(2n) }, c: {} });

  const found = await Promise.all(["a", "b", "c"].map((id) => watch.probe("m", id)));

  expect(found).toMatchObject([
    { finding: "ready", versions: { listed: [1n, 3n], latest: 3n } },
    { finding: "ready", versions: { listed: [2n], latest: 2n } },
    { finding: "lost", note: { message: "gone" } },
  ]);
  expect(found[2]).not.toHaveProperty("versions");
  expect(watch.reported("m").versions).toEqual([3n, 2n, 1n]);
});

test("a signature is asked for once for each set of versions", async () => {
  const { watch, behave, metadataCount } = watched({
    a: { state: ready(1n), signature: signature("x") },
  });
  for (let count = 0; count < 3; count += 1) await watch.probe("m", "a");
  expect(metadataCount()).toBe(1);

  behave("a", { state: ready(2n), signature: signature("y") });
  await watch.probe("m", "a");

  expect(metadataCount()).toBe(2);
  expect([
    ...(watch.reported("m").signatures?.get("serving_default")?.inputs.keys() ?? []),
  ]).toEqual(["y"]);
});

test("who cannot tell takes nothing away from who can", async () => {
  const { watch, behave } = watched({
    fpga: { state: ready() },
    stock: { state: ready(1n), signature: signature("x") },
  });
  await watch.probe("m", "stock");
  behave("stock", { state: ready(2n), signature: signature("x") });
  await watch.probe("m", "fpga");
  await watch.probe("m", "stock");
  await watch.probe("m", "fpga");

  expect(watch.reported("m").signatures).toBeDefined();
});

test("a replica says that its weights were drawn at random", async () => {
  const { watch } = watched({ a: { state: { ...ready(), isSeeded: true } } });
  expect(watch.reported("m").isSeeded).toBe(false);

  await watch.probe("m", "a");

  expect(watch.reported("m").isSeeded).toBe(true);
});

test("what a replica said goes with it", async () => {
  const { watch, change } = watched({
    a: { state: { ...ready(1n, 2n), isSeeded: true } },
    b: { state: ready(2n) },
  });
  await watch.probe("m", "a");
  await watch.probe("m", "b");

  change("b");

  expect(watch.reported("m").versions).toEqual([2n]);
  expect(watch.reported("m").isSeeded).toBe(false);
});

test("when every replica is exchanged, what they said holds until another is ready", async () => {
  const { watch, behave, change } = watched({
    a: { state: ready(1n), signature: signature("x") },
  });
  await watch.probe("m", "a");
  behave("b", { state: { isReady: false, versions: [] } });
  behave("c", { state: ready(3n) });

  change("b", "c");
  await watch.probe("m", "b");
  expect(watch.reported("m").versions).toEqual([1n]);
  await watch.probe("m", "c");

  expect(watch.reported("m").versions).toEqual([3n]);
  expect(watch.reported("m").signatures).toBeDefined();
});

test("a replica that is dropped while it is asked leaves nothing behind", async () => {
  const { watch, change } = watched({ a: { state: ready(1n) } });
  const asked = watch.probe("m", "a");

  change("b");

  expect(await asked).toEqual({ finding: "lost" });
  expect(watch.reported("m").versions).toEqual([]);
});

test("a replica that comes back is asked for its signature again", async () => {
  const { watch, change, metadataCount } = watched({
    a: { state: ready(1n), signature: signature("x") },
  });
  await watch.probe("m", "a");

  change();
  change("a");
  await watch.probe("m", "a");

  expect(metadataCount()).toBe(2);
});

test("if versions go with a replica, the others are asked for their signature again", async () => {
  const { watch, change, metadataCount } = watched({
    a: { state: ready(1n), signature: signature("x") },
    b: { state: ready(2n), signature: signature("y") },
  });
  for (const id of ["a", "b", "a", "b"]) await watch.probe("m", id);
  expect(metadataCount()).toBe(3);

  change("a");
  await watch.probe("m", "a");

  expect(metadataCount()).toBe(4);
});

const unknown = { listed: undefined, latest: undefined };

test.each<{ readonly because: string; readonly state: ReplicaState; readonly expected: object }>([
  {
    because: "a server that does not list its versions may have any",
    state: { isReady: true, versions: [], hasUnknownVersions: true },
    expected: { finding: "ready", versions: unknown },
  },
  {
    because: "a container without versions has none to ask for, and its replies say 0",
    state: { isReady: true, versions: [] },
    expected: { finding: "ready", versions: { listed: [], latest: 0n } },
  },
  {
    because: "of several replicas behind a gateway it is not known which one is the latest",
    state: { isReady: true, versions: [2n, 1n], areMixed: true },
    expected: { finding: "ready", versions: { listed: [2n, 1n], latest: undefined } },
  },
  {
    because: "what a model will have when it is loaded is not known",
    state: { isReady: false, versions: [], note: { message: "loading", detail: "loading" } },
    expected: {
      finding: "warming",
      versions: unknown,
      note: { message: "loading", detail: "loading" },
    },
  },
])("$because", async ({ state, expected }) => {
  const { watch } = watched({ a: { state } });

  expect(await watch.probe("m", "a")).toEqual(expected);
});

test.each([
  { error: new UpstreamAnsweredError("no such model", 5), finding: "warming" },
  { error: new UpstreamAnsweredError("not loaded", 9), finding: "warming" },
  { error: new UnknownModelError("no such model"), finding: "warming" },
  { error: new UpstreamAnsweredError("no such method", 12), finding: "lost" },
  { error: new UpstreamFailedError("broken"), finding: "lost" },
])(
  "a probe that fails by $error.name ($error.message) finds the replica $finding",
  async (each) => {
    const { watch } = watched({ a: { error: each.error } });

    expect(await watch.probe("m", "a")).toMatchObject({ finding: each.finding });
  },
);
