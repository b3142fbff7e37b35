import { type SmokeTestResult, UpstreamAnsweredError, UpstreamFailedError } from "@tensorgate/core";
import { expect, test } from "vitest";
import type { SwapRequest } from "./swap-request.ts";
import { deviceRig, microtasks, untilEnded } from "./testing.ts";

const stepsOf = (alias: string) =>
  ["drain", "reprogram", "load", "check", "readmit"].map((step) => `${alias} ${step}`);

test("the model and the state of each device are listed", async () => {
  const { devices: all, device } = deviceRig("a", undefined, "b", undefined, undefined, "a");
  device(2).states.set("b", { state: "ended", error: "no such file" });
  device(4).states.set("b", { state: "starting" });
  device(4).states.set("a", { state: "unloading" });
  device(5).states.set("b", { state: "loading" });
  device(6).isSilent = true;

  expect((await all.list()).map(({ state, model }) => [state, model])).toEqual([
    ["ready", "a"],
    ["unprogrammed", undefined],
    ["ready", "b"],
    ["programming", "b"],
    ["warming", "b"],
    ["unreachable", undefined],
  ]);
});

test("a swap goes step by step, and its devices serve the other model", async () => {
  const { swap, out, reloads } = deviceRig("a", "a", "a");

  const { state, names, because } = await swap({ model: "b", basePath: "/models/b", count: 2 });

  expect({ state, because }).toEqual({ state: "done", because: undefined });
  expect(names).toEqual([...stepsOf("r-1"), ...stepsOf("r-2"), "done"]);
  expect(reloads).toEqual(["h:1 b /models/b", "h:2 b /models/b"]);
  expect(out).toEqual(new Set());
});

test("a device is reprogrammed after its last call has ended", async () => {
  const { devices: all, world, reloads, clock } = deviceRig("a", "a");
  world.busy.add("h:1");
  const { done } = await all.swap({ model: "b" });
  await microtasks();
  expect(reloads).toEqual([]);

  world.release("h:1");

  expect(await untilEnded(done, clock)).toMatchObject({ state: "done" });
  expect(reloads).toEqual(["h:1 b "]);
});

test("a device that does not finish its calls is rolled back", async () => {
  const { swap, world, out } = deviceRig("a", "a");
  world.busy.add("h:1");

  const { state, because, names } = await swap({ model: "b" });

  expect(state).toBe("failed");
  expect(because).toBe("r-1: still has calls in flight after 90 s");
  expect(names).toEqual(["r-1 drain", "r-1 roll-back", "failed"]);
  expect(out).toEqual(new Set());
});

test("a device that rejects the reload keeps its model and returns to rotation", async () => {
  const { swap, device, out } = deviceRig("a", "a");
  device(1).reload = () => Promise.reject(new UpstreamAnsweredError("forbidden path", 7));

  const { because, names } = await swap({ model: "b" });

  expect(because).toBe("r-1: rejected the model: forbidden path");
  expect(names).toEqual([
    ...["r-1 drain", "r-1 reprogram", "r-1 verify", "r-1 roll-back", "failed"],
  ]);
  expect(out).toEqual(new Set());
});

test("a device without a model stays out of rotation", async () => {
  const { swap, device, out } = deviceRig("a", "a");
  const { states } = device(1);
  device(1).reload = () => {
    states.clear();
    states.set("b", { state: "ended", error: "corrupt" });
  };

  const { because } = await swap({ model: "b" });

  expect(because).toBe("r-1: failed to load the model: corrupt; r-1 stays out of rotation");
  expect(out).toEqual(new Set(["h:1"]));
});

test("loading a model has a time limit", async () => {
  const { swap, device } = deviceRig("a", "a");
  const { states } = device(1);
  device(1).reload = () => {
    states.clear();
    states.set("b", { state: "loading" });
  };

  const { because, steps } = await swap({ model: "b", timeoutMs: 20_000 });

  expect(because).toContain("r-1: the model is not ready after 20 s: the model is warming");
  expect(steps.at(-1)?.atMs).toBeGreaterThanOrEqual(20_000);
});

test.each<{ answer: SmokeTestResult | Error; golden: SwapRequest["golden"]; because: string }>([
  {
    answer: { kind: "label", label: "star" },
    golden: { label: "moon" },
    because: 'expected "moon" for the test picture, got "star"',
  },
  {
    answer: { kind: "scored" },
    golden: { picture: new Uint8Array(1), label: "moon" },
    because: 'expected "moon" for the golden picture, got an answer without a label',
  },
  {
    answer: { kind: "not-asked" },
    golden: { label: "moon" },
    because: 'expected "moon" for the test picture, but the model takes no pictures',
  },
  {
    answer: new UpstreamFailedError("the replica failed (INTERNAL)"),
    golden: {},
    because:
      "expected an answer for the test picture, but scoring failed: the replica failed (INTERNAL)",
  },
])("a device that fails its smoke test stays out of rotation: $because", async (row) => {
  const { swap, world, out } = deviceRig("a", "a");
  world.smokeTest = () => row.answer;

  const { state, because } = await swap({ model: "b", ...(row.golden && { golden: row.golden }) });

  expect(state).toBe("failed");
  expect(because).toBe(`r-1: ${row.because}; it stays out of rotation`);
  expect(out).toEqual(new Set(["h:1"]));
});

test("a device unloads another version of the model first, since it has no room for both", async () => {
  const { swap, reloads, devices: all } = deviceRig("a", "a");

  const { state, names } = await swap({ model: "a", version: "2", basePath: "/models/a" });

  expect(state).toBe("done");
  expect(names).toEqual([...stepsOf("r-1"), "done"]);
  expect(reloads).toEqual(["h:1 nothing", "h:1 a /models/a version 2"]);
  expect((await all.list()).map(({ version }) => version)).toEqual(["2", "1"]);
  expect(await swap({ model: "a", version: "2" })).toMatchObject({ already: ["r-1"], devices: [] });
});

test("a swap to a version keeps the floor of the model", async () => {
  const { swap } = deviceRig("a");
  await expect(swap({ model: "a", version: "2" })).rejects.toThrow(
    'model "a" would be left with 0 ready replicas; the floor is 1',
  );
});

test("a device that does not unload its version is rolled back", async () => {
  const { swap, device, out, reloads } = deviceRig("a", "a");
  device(1).reload = () => {};

  const { because, names } = await swap({ model: "a", version: "2", timeoutMs: 5_000 });

  expect(because).toBe("r-1: the previous version is still ready after 5 s");
  expect(names.slice(-2)).toEqual(["r-1 roll-back", "failed"]);
  expect(reloads).toEqual(["h:1 nothing"]);
  expect(out).toEqual(new Set());
});

test("a version that cannot be loaded leaves the device out of rotation", async () => {
  const { swap, device, out, devices: all } = deviceRig("a", "a");
  const { states } = device(1);
  device(1).reload = (next) => {
    states.clear();
    if (next !== "") states.set(next, { state: "ended", error: "no such folder", version: 2n });
  };

  const { because } = await swap({ model: "a", version: "2" });

  expect(because).toBe("r-1: failed to load the model: no such folder; r-1 stays out of rotation");
  expect(out).toEqual(new Set(["h:1"]));
  expect((await all.list())[0]).toMatchObject({ state: "unprogrammed", isOut: true });
});

test("the smoke test is that of the version", async () => {
  const asked: (bigint | undefined)[] = [];
  const { swap, world } = deviceRig("a", "a");
  world.smokeTest = (version) => {
    asked.push(version);
    return { kind: "scored" };
  };
  await swap({ model: "a", version: "2" });
  expect(asked).toEqual([2n]);
});
