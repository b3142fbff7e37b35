import { create } from "@bufbuild/protobuf";
import { UpstreamAnsweredError, UpstreamFailedError } from "@tensorgate/core";
import { aResponse, type ManualClock, manualClock } from "@tensorgate/core/testing";
import {
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { grpcCode } from "@tensorgate/tf-serving";
import { expect, test } from "vitest";
import type { Replica } from "../replica.ts";
import type { SwapProgress } from "./device-report.ts";
import { devices } from "./devices.ts";
import type { GoldenAnswer } from "./swap-actions.ts";
import type { SwapRequest } from "./swap-request.ts";

interface FakeDevice {
  /** State of each model that it speaks of. */
  readonly states: Map<string, { state: State; error?: string }>;
  /** What a reload does; loads by default. */
  reload(model: string): void | Promise<void>;
  isSilent: boolean;
}

/** Devices `h:1`, `h:2`, … by what they hold, of the models a and b. */
function rig(...held: readonly (string | undefined)[]) {
  const clock = manualClock();
  const ids = held.map((_, index) => `h:${index + 1}`);
  const fakes = new Map<string, FakeDevice>();
  held.forEach((model, index) => {
    const states: FakeDevice["states"] = new Map();
    if (model !== undefined) states.set(model, { state: State.AVAILABLE });
    fakes.set(ids[index] ?? "", {
      ...{ states, isSilent: false },
      reload: (next) => {
        states.clear();
        states.set(next, { state: State.AVAILABLE });
      },
    });
  });
  const out = new Set<string>();
  const inFlight = new Map<string, () => void>();
  const reloads: string[] = [];
  const world = {
    golden: (): GoldenAnswer | Error => ({ kind: "label", label: "star" }),
    /** Devices that have calls in flight until they are released. */
    busy: new Set<string>(),
    release: (id: string) => inFlight.get(id)?.(),
  };
  const serves = (model: string, id: string) =>
    !out.has(id) && fakes.get(id)?.states.get(model)?.state === State.AVAILABLE;

  const replicaOf = (id: string): Replica => ({
    ...{ roundTripMs: () => undefined, expectedWaitMs: () => undefined },
    score: async () => aResponse,
    probe: () => Promise.reject(new Error("not asked")),
    modelMetadata: () => Promise.reject(new Error("not asked")),
    modelStatus: async ({ name }) => {
      const fake = fakes.get(id);
      if (!fake || fake.isSilent) throw new UpstreamFailedError("gone", { wasLost: true });
      const told = fake.states.get(name);
      if (!told) throw new UpstreamAnsweredError("Could not find", grpcCode.NOT_FOUND);
      const { state, error } = told;
      const status = { errorCode: error === undefined ? 0 : 3, errorMessage: error ?? "" };
      return create(GetModelStatusResponseSchema, {
        modelVersionStatus: [{ version: 1n, state, status }],
      });
    },
    reload: async ([source]) => {
      reloads.push(`${id} ${source?.name} ${source?.basePath}`);
      await fakes.get(id)?.reload(source?.name ?? "");
    },
  });
  const all = devices({
    replicas: {
      pools: ["a", "b"].map((model) => ({
        ...{ model, region: "r", replicaIds: ids },
        ...{ isGateway: false, isExclusive: true, parallelism: 1 },
      })),
      get: replicaOf,
      find: replicaOf,
      replace: () => {},
      onChange: () => {},
      refresh: () => {},
      close: () => {},
    },
    rotation: {
      drain: (id) => {
        out.add(id);
        if (!world.busy.has(id)) return Promise.resolve();
        return new Promise((resolve) => inFlight.set(id, resolve));
      },
      readmit: (id) => void out.delete(id),
      isReady: serves,
      readyCount: (model, except) =>
        ids.filter((id) => serves(model, id) && !except.has(id)).length,
    },
    askGolden: async () => {
      const answer = world.golden();
      if (answer instanceof Error) throw answer;
      return answer;
    },
    aliasOf: (region, id) => `${region}-${id.slice(2)}`,
    clock,
  });
  const device = (number: number): FakeDevice => {
    const fake = fakes.get(`h:${number}`);
    if (!fake) throw new RangeError(`there is no device ${number}`);
    return fake;
  };
  return {
    ...{ clock, devices: all, device, out, reloads, world },
    /** Swaps, moving time on until it has ended. */
    swap: async (request: SwapRequest) => {
      const steps: string[] = [];
      const onProgress = ({ device: alias, step }: SwapProgress) =>
        steps.push(alias === undefined ? step : `${alias} ${step}`);
      const { done } = await all.swap(request, onProgress);
      return { ...(await untilEnded(done, clock)), names: steps };
    },
  };
}

/** Moves time on, a second at a time, until `work` has ended. */
async function untilEnded<Result>(work: Promise<Result>, clock: ManualClock): Promise<Result> {
  let isEnded = false;
  const ended = work.finally(() => {
    isEnded = true;
  });
  while (!isEnded) {
    await microtasks();
    clock.advance(1_000);
  }
  return ended;
}

async function microtasks(): Promise<void> {
  for (let count = 0; count < 50; count += 1) await Promise.resolve();
}

const stepsOf = (alias: string) =>
  ["drain", "reprogram", "load", "check", "readmit"].map((step) => `${alias} ${step}`);

test("what devices hold is told, whatever they are doing", async () => {
  const { devices: all, device } = rig("a", undefined, "b", undefined, undefined, "a");
  device(2).states.set("b", { state: State.END, error: "no such file" });
  device(4).states.set("b", { state: State.START });
  device(4).states.set("a", { state: State.UNLOADING });
  device(5).states.set("b", { state: State.LOADING });
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
  const { swap, out, reloads } = rig("a", "a", "a");

  const { state, names, because } = await swap({ model: "b", basePath: "/models/b", count: 2 });

  expect({ state, because }).toEqual({ state: "done", because: undefined });
  expect(names).toEqual([...stepsOf("r-1"), ...stepsOf("r-2"), "done"]);
  expect(reloads).toEqual(["h:1 b /models/b", "h:2 b /models/b"]);
  expect(out).toEqual(new Set());
});

test("nothing is reprogrammed before its last call has ended", async () => {
  const { devices: all, world, reloads, clock } = rig("a", "a");
  world.busy.add("h:1");
  const { done } = await all.swap({ model: "b" });
  await microtasks();
  expect(reloads).toEqual([]);

  world.release("h:1");

  expect(await untilEnded(done, clock)).toMatchObject({ state: "done" });
  expect(reloads).toEqual(["h:1 b "]);
});

test("a device that does not get empty is given back", async () => {
  const { swap, world, out } = rig("a", "a");
  world.busy.add("h:1");

  const { state, because, names } = await swap({ model: "b" });

  expect(state).toBe("failed");
  expect(because).toBe("r-1: it still has calls in flight after 90 s");
  expect(names).toEqual(["r-1 drain", "r-1 give-back", "failed"]);
  expect(out).toEqual(new Set());
});

test("a reload that is refused leaves the device with what it held", async () => {
  const { swap, device, out } = rig("a", "a");
  device(1).reload = () => Promise.reject(new UpstreamAnsweredError("forbidden path", 7));

  const { because, names } = await swap({ model: "b" });

  expect(because).toBe("r-1: it did not take the model: forbidden path");
  expect(names).toEqual([
    ...["r-1 drain", "r-1 reprogram", "r-1 look-back", "r-1 give-back", "failed"],
  ]);
  expect(out).toEqual(new Set());
});

test("a device that ends up empty is left out", async () => {
  const { swap, device, out } = rig("a", "a");
  const { states } = device(1);
  device(1).reload = () => {
    states.clear();
    states.set("b", { state: State.END, error: "corrupt" });
  };

  const { because } = await swap({ model: "b" });

  expect(because).toBe("r-1: it could not load the model: corrupt; r-1 is left out of rotation");
  expect(out).toEqual(new Set(["h:1"]));
});

test("a load is waited for, and not for ever", async () => {
  const { swap, device } = rig("a", "a");
  const { states } = device(1);
  device(1).reload = () => {
    states.clear();
    states.set("b", { state: State.LOADING });
  };

  const { because, steps } = await swap({ model: "b", timeoutMs: 20_000 });

  expect(because).toContain("r-1: the model is not ready after 20 s: it is warming");
  expect(steps.at(-1)?.atMs).toBeGreaterThanOrEqual(20_000);
});

test.each<{ answer: GoldenAnswer | Error; golden: SwapRequest["golden"]; because: string }>([
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
      "expected an answer for the test picture, and it failed: the replica failed (INTERNAL)",
  },
])("a device that fails its check is left out: $because", async (row) => {
  const { swap, world, out } = rig("a", "a");
  world.golden = () => row.answer;

  const { state, because } = await swap({ model: "b", ...(row.golden && { golden: row.golden }) });

  expect(state).toBe("failed");
  expect(because).toBe(`r-1: ${row.because}; it is left out of rotation`);
  expect(out).toEqual(new Set(["h:1"]));
});

test("begun again, a swap goes on where it ended", async () => {
  const { swap, world, reloads, out } = rig("a", "a", "a");
  let asked = 0;
  world.golden = () => {
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

test("a replica that is lost on the way stops a swap at the floor", async () => {
  const { swap, device } = rig("a", "a", "a", "a");
  device(1).reload = (next) => {
    device(1).states.clear();
    device(1).states.set(next, { state: State.AVAILABLE });
    device(4).states.clear();
    device(3).states.clear();
  };

  const { because, names } = await swap({ model: "b", replicas: ["r-1", "r-2"] });

  expect(because).toBe('r-2: model "a" would be left with 0 ready replicas, and the floor is 1');
  expect(names.slice(-2)).toEqual(["r-2 drain", "failed"]);
});

test("aborted while it drains, a device is given back", async () => {
  const { devices: all, world, out, reloads } = rig("a", "a", "a");
  world.busy.add("h:1");
  const { id, done } = await all.swap({ model: "b", count: 2 });
  await microtasks();

  expect(all.abort(id)).toMatchObject({ state: "aborting" });

  expect(await done).toMatchObject({ state: "aborted" });
  expect(out).toEqual(new Set());
  expect(reloads).toEqual([]);
});

test("aborted later, the device is finished and no other one is begun", async () => {
  const { devices: all, device, reloads, clock } = rig("a", "a", "a");
  const { states, reload } = device(1);
  let load = () => {};
  device(1).reload = (next) => {
    states.clear();
    states.set(next, { state: State.LOADING });
    load = () => void reload(next);
  };
  const { id, done } = await all.swap({ model: "b", count: 2 });
  await microtasks();

  all.abort(id);
  load();

  expect(await untilEnded(done, clock)).toMatchObject({ state: "aborted" });
  expect(states.get("b")).toEqual({ state: State.AVAILABLE });
  expect(reloads).toHaveLength(1);
});

test("one swap at a time", async () => {
  const { devices: all, world } = rig("a", "a");
  world.busy.add("h:1");
  const { id, done } = await all.swap({ model: "b" });

  await expect(all.swap({ model: "b" })).rejects.toThrow(`swap ${id}, to model "b", is under way`);

  all.abort(id);
  await done;
  await expect(all.swap({ model: "a" })).resolves.toBeDefined();
});

test("callers are told of a swap while it goes on, and how long it usually takes", async () => {
  const { devices: all, device, swap, clock } = rig("a", "a", "a");
  expect(all.devicesOf("b")).toEqual({ aliases: ["r-1", "r-2", "r-3"], isAnyOut: false });
  expect(all.devicesOf("b", ["elsewhere"])).toBeUndefined();
  const later = (number: number, afterMs: number) => {
    const { states, reload } = device(number);
    device(number).reload = (next) => {
      states.clear();
      states.set(next, { state: State.LOADING });
      clock.setTimer(afterMs, () => reload(next));
    };
  };
  later(1, 20_000);
  later(2, 20_000);
  await swap({ model: "b" });

  const { done } = await all.swap({ model: "b", count: 2 });
  await microtasks();
  clock.advance(5_000);

  expect(all.devicesOf("b")).toMatchObject({ isAnyOut: true, swap: { elapsedMs: 5_000 } });
  expect(all.devicesOf("b")?.swap?.usualMs).toBeGreaterThanOrEqual(20_000);
  expect(all.devicesOf("a")?.swap).toBeUndefined();
  expect(await untilEnded(done, clock)).toMatchObject({ state: "done" });
});

test("whoever follows a swap hears every step, also those before", async () => {
  const { devices: all, clock } = rig("a", "a");
  const { id, done } = await all.swap({ model: "b" });
  await untilEnded(done, clock);

  const steps = [];
  for await (const { step } of all.follow(id)) steps.push(step);

  expect(steps).toEqual(["drain", "reprogram", "load", "check", "readmit", "done"]);
  expect(() => all.follow("9")).toThrow("there is no swap 9");
  expect(() => all.abort("9")).toThrow("there is no swap 9");
});

test("the gateway's end ends a swap", async () => {
  const { devices: all, device } = rig("a", "a");
  device(1).reload = () => {};
  device(1).states.set("b", { state: State.LOADING });
  const { done } = await all.swap({ model: "b" });
  await microtasks();

  all.close();

  expect(await done).toMatchObject({ state: "failed" });
});
