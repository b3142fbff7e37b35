import { expect, test } from "vitest";
import { deviceRig, microtasks, untilEnded } from "./testing.ts";

test("a swap that is requested again resumes", async () => {
  const { swap, world, reloads, out } = deviceRig("a", "a", "a");
  let asked = 0;
  world.smokeTest = () => {
    asked += 1;
    return asked === 2 ? new Error("no") : { kind: "scored" };
  };
  const request = { model: "b", replicas: ["r-1", "r-2"] };
  expect(await swap(request)).toMatchObject({ state: "failed" });
  expect(out).toEqual(new Set(["h:2"]));

  const again = await swap(request);

  expect(again).toMatchObject({ state: "done", already: ["r-1"], devices: ["r-2"] });
  expect(again.names).toEqual(["r-2 check", "r-2 readmit", "done"]);
  expect(reloads).toHaveLength(2);
  expect(out).toEqual(new Set());
});

test("a replica that is lost during a swap stops it at the floor", async () => {
  const { swap, device } = deviceRig("a", "a", "a", "a");
  device(1).reload = (next) => {
    device(1).states.clear();
    device(1).states.set(next, { state: "available" });
    device(4).states.clear();
    device(3).states.clear();
  };

  const { because, names } = await swap({ model: "b", replicas: ["r-1", "r-2"] });

  expect(because).toBe('r-2: model "a" would be left with 0 ready replicas; the floor is 1');
  expect(names.slice(-2)).toEqual(["r-2 drain", "failed"]);
});

test("a device is rolled back if the swap is aborted while it drains", async () => {
  const { devices: all, world, out, reloads } = deviceRig("a", "a", "a");
  world.busy.add("h:1");
  const { id, done } = await all.swap({ model: "b", count: 2 });
  await microtasks();

  expect(all.abort(id)).toMatchObject({ state: "aborting" });

  expect(await done).toMatchObject({ state: "aborted" });
  expect(out).toEqual(new Set());
  expect(reloads).toEqual([]);
});

test("a device is finished if the swap is aborted later, and no other is started", async () => {
  const { devices: all, device, reloads, clock } = deviceRig("a", "a", "a");
  const { states, reload } = device(1);
  let load = () => {};
  device(1).reload = (next) => {
    states.clear();
    states.set(next, { state: "loading" });
    load = () => void reload(next);
  };
  const { id, done } = await all.swap({ model: "b", count: 2 });
  await microtasks();

  all.abort(id);
  load();

  expect(await untilEnded(done, clock)).toMatchObject({ state: "aborted" });
  expect(states.get("b")).toEqual({ state: "available" });
  expect(reloads).toHaveLength(1);
});

test("one swap at a time", async () => {
  const { devices: all, world } = deviceRig("a", "a");
  world.busy.add("h:1");
  const { id, done } = await all.swap({ model: "b" });

  await expect(all.swap({ model: "b" })).rejects.toThrow(
    `swap ${id}, to model "b", is in progress`,
  );

  all.abort(id);
  await done;
  await expect(all.swap({ model: "a" })).resolves.toBeDefined();
});

test("the registry has the swap in progress, and how long one usually takes", async () => {
  const { devices: all, registry, device, swap, clock } = deviceRig("a", "a", "a");
  expect(registry.devicesOf("b")).toEqual({ aliases: ["r-1", "r-2", "r-3"], isAnyOut: false });
  expect(registry.devicesOf("b", ["elsewhere"])).toBeUndefined();
  const later = (number: number, afterMs: number) => {
    const { states, reload } = device(number);
    device(number).reload = (next) => {
      states.clear();
      states.set(next, { state: "loading" });
      clock.setTimer(afterMs, () => reload(next));
    };
  };
  later(1, 20_000);
  later(2, 20_000);
  await swap({ model: "b" });

  const { done } = await all.swap({ model: "b", count: 2 });
  await microtasks();
  clock.advance(5_000);

  expect(registry.devicesOf("b")).toMatchObject({ isAnyOut: true, swap: { elapsedMs: 5_000 } });
  expect(registry.devicesOf("b")?.swap?.usualMs).toBeGreaterThanOrEqual(20_000);
  expect(registry.devicesOf("a")?.swap).toBeUndefined();
  expect(await untilEnded(done, clock)).toMatchObject({ state: "done" });
});

test("a follower of a swap gets every step, also the earlier ones", async () => {
  const { devices: all, clock } = deviceRig("a", "a");
  const { id, done } = await all.swap({ model: "b" });
  await untilEnded(done, clock);

  const steps = [];
  for await (const { step } of all.follow(id)) steps.push(step);

  expect(steps).toEqual(["drain", "reprogram", "load", "check", "readmit", "done"]);
  expect(() => all.follow("9")).toThrow("unknown swap 9");
  expect(() => all.abort("9")).toThrow("unknown swap 9");
});

test("closing the gateway ends a swap", async () => {
  const { devices: all, device } = deviceRig("a", "a");
  device(1).reload = () => {};
  device(1).states.set("b", { state: "loading" });
  const { done } = await all.swap({ model: "b" });
  await microtasks();

  all.close();

  expect(await done).toMatchObject({ state: "failed" });
});
