import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Classify,
  createLiveValue,
  type ModelCatalog,
  seededRandom,
  type Tasks,
  UpstreamFailedError,
} from "@tensorgate/core";
import { aCall, type ManualClock, manualClock } from "@tensorgate/core/testing";
import { expect, onTestFinished, test, vi } from "vitest";
import type { RolloutOptions } from "./options.ts";
import { RolloutRefusedError } from "./rollout-request.ts";
import { createRollouts } from "./rollouts.ts";

interface World {
  readonly clock: ManualClock;
  /** How long a version takes, in milliseconds. */
  readonly durationMs: Record<string, number>;
  /** What a version says, or undefined if it fails. */
  readonly says: Record<string, string | undefined>;
  readonly asked: string[];
  hasQueue: boolean;
  isIdempotent: boolean;
  /** Replicas that lack the new version. */
  without: number;
}

function world(): World {
  return {
    clock: manualClock(),
    durationMs: {},
    says: { 1: "cat", 2: "cat", 3: "dog" },
    asked: [],
    hasQueue: false,
    isIdempotent: true,
    without: 0,
  };
}

/** Rollouts around a classifier whose versions answer as the world has it. */
function open(of: World, options: RolloutOptions = {}, seed = 1) {
  const { clock } = of;
  const classify: Classify = async ({ modelSpec }) => {
    const version = String(modelSpec.version ?? 3n);
    of.asked.push(version);
    const durationMs = of.durationMs[version] ?? 0;
    if (durationMs > 0) await new Promise<void>((done) => clock.setTimer(durationMs, done));
    const label = of.says[version];
    if (label === undefined) throw new UpstreamFailedError("broken");
    const labels = [{ index: 0, label, score: 1 }];
    const model = { name: modelSpec.name, version: BigInt(version) };
    return { model, results: [{ ok: true, value: labels }] };
  };
  const catalog = {
    get: (name: string) => {
      if (name !== "m") throw new Error(`unknown model "${name}"`);
      return { versions: [3n, 2n, 1n] };
    },
  } as unknown as ModelCatalog;
  const random = seededRandom(seed);
  const inner = { resolve: () => ({ classify }), catalog } as unknown as Tasks;
  const failures: string[] = [];
  const rollouts = createRollouts({
    options,
    inForce: createLiveValue({
      tasks: inner,
      snapshot: {
        resolve: () => ({ isIdempotent: of.isIdempotent }),
        backboneOf: (name: string) => name,
      },
    }),
    hasQueue: () => of.hasQueue,
    replicasWithout: () => ({ count: 3, without: of.without }),
    servingVersions: () => new Map(),
    devices: {
      areDevices: () => "none",
      list: async () => [],
      swap: async () => {
        throw new Error("there are no devices");
      },
    },
    onFailure: ({ message }) => failures.push(message),
    clock,
    random: random.next,
  });
  onTestFinished(() => rollouts.close());
  const ask = async (spec = {}, options = {}) => {
    const modelSpec = { name: "m", ...spec };
    const request = { modelSpec, pictures: [{ bytes: new Uint8Array(1) }] };
    const call = aCall(options);
    const { tasks } = rollouts.inForce.current;
    const { model } = await tasks.resolve(modelSpec, call).classify(request, call);
    return String(model?.version);
  };
  return { rollouts, ask, failures, isPassed: () => rollouts.inForce.current.tasks !== inner };
}

/** Lets what is due now happen. */
async function settle({ clock }: World): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    clock.advance(0);
    await new Promise<void>((done) => setImmediate(done));
  }
}

test("calls are shared by weight; those that name a version or a label get it", async () => {
  const of = world();
  const { rollouts, ask } = open(of);
  rollouts.start("m", { from: "1", to: "2", steps: [20, 100] });
  const versions = [];
  for (let call = 0; call < 1_000; call += 1) versions.push(await ask());
  const share = versions.filter((version) => version === "2").length / 1_000;
  expect(share).toBeGreaterThan(0.15);
  expect(share).toBeLessThan(0.25);
  expect(await ask({ version: 3n })).toBe("3");
  expect(await ask({ versionLabel: "stable" })).toBe("1");
  expect(await ask({ versionLabel: "canary" })).toBe("2");
  expect(rollouts.list()[0]).toMatchObject({ model: "m", weights: { 1: 0.8, 2: 0.2 } });
});

test("calls pass the choice of versions only once a model has a rollout or a shadow", () => {
  for (const begin of ["start", "shadow"] as const) {
    const { rollouts, isPassed } = open(world());
    expect(isPassed()).toBe(false);
    if (begin === "start") rollouts.start("m", { from: "1", to: "2", steps: [20, 100] });
    else rollouts.shadow("m", { version: "1" });
    expect(isPassed()).toBe(true);
  }
});

test("a key, or a session, stays at its version through all steps", async () => {
  const of = world();
  const { rollouts, ask } = open(of);
  for (const sticky of ["key", "session"] as const) {
    rollouts.start("m", { from: "1", to: "2", steps: [30, 100], sticky });
    const contexts = Array.from({ length: 40 }, (_, at) =>
      sticky === "key" ? { fairnessKey: `key ${at}` } : { hints: { session: `s${at}` } },
    );
    const first = [];
    for (const context of contexts) first.push(await ask({}, context));
    for (const [at, context] of contexts.entries()) expect(await ask({}, context)).toBe(first[at]);
    expect(new Set(first)).toEqual(new Set(["1", "2"]));
    rollouts.command("m", "abort");
  }
});

test("failures of the new version abort it, and the next call gets the old one", async () => {
  const of = world();
  const { rollouts, ask } = open(of);
  of.says["2"] = undefined;
  rollouts.start("m", {
    from: "1",
    to: "2",
    steps: [50, 100],
    abortIf: ["failures>5%"],
    minCalls: 5,
  });
  let failed = 0;
  for (let call = 0; call < 100; call += 1) await ask().catch(() => (failed += 1));
  expect(failed).toBe(5);
  for (let call = 0; call < 100; call += 1) expect(await ask()).toBe("1");
  expect(rollouts.list()[0]?.history.at(-1)?.text).toMatch(/aborted: failures>5%/);
});

test("a version that means something else is aborted by its shadow, and no call fails", async () => {
  const of = world();
  const { rollouts, ask } = open(of);
  rollouts.start("m", { from: "1", to: "3", abortIf: ["top1<0.98"], shadowShare: 0.2 });
  let calls = 0;
  while (rollouts.list()[0]?.running && calls < 500) {
    calls += 1;
    await ask();
    await settle(of);
  }
  expect(calls).toBeLessThan(500);
  expect(rollouts.list()[0]).toMatchObject({ stable: "1", weights: { 1: 1 } });
  expect(rollouts.list()[0]?.shadow).toBeUndefined();
});

test("a version that means the same is promoted step by step", async () => {
  const of = world();
  const { rollouts, ask } = open(of);
  const abortIf = ["top1<0.98", "failures>1%"];
  rollouts.start("m", { from: "1", to: "2", abortIf, shadowShare: 1, everyMs: 10_000 });
  for (let step = 0; step < 4; step += 1) {
    for (let call = 0; call < 30; call += 1) {
      await ask();
      await settle(of);
    }
    for (let second = 0; second < 10; second += 1) {
      of.clock.advance(1_000);
      await settle(of);
    }
  }
  expect(rollouts.list()[0]).toMatchObject({ stable: "2", weights: { 2: 1 } });
  expect(await ask()).toBe("2");
  expect(rollouts.command("m", "undo")).toMatchObject({ stable: "1" });
  expect(await ask()).toBe("1");
});

test("a step waits until every replica has the version, and so does a promotion", async () => {
  const of = world();
  const { rollouts } = open(of);
  const plan = { from: "1", to: "2", steps: [5, 50, 100], everyMs: 4_000 };
  of.without = 1;
  expect(() => rollouts.start("m", plan)).toThrow(
    "1 of 3 replicas of m lacks version 2; load it there first",
  );
  of.without = 0;
  rollouts.start("m", plan);
  of.without = 2;
  for (let tick = 0; tick < 10; tick += 1) {
    of.clock.advance(2_000);
    await settle(of);
  }
  expect(rollouts.list()[0]).toMatchObject({
    weights: { 2: 0.05 },
    waitsFor: "2 of 3 replicas of m lack version 2",
  });
  expect(() => rollouts.command("m", "promote")).toThrow("lack version 2");
  of.without = 0;
  for (let tick = 0; tick < 4; tick += 1) {
    of.clock.advance(2_000);
    await settle(of);
  }
  expect(rollouts.list()[0]?.weights).toEqual({ 1: 0.5, 2: 0.5 });
  of.without = 1;
  expect(rollouts.command("m", "abort").weights).toEqual({ 1: 1 });
});

test("a shadow reports what differs, and which answers differ most", async () => {
  const of = world();
  const { rollouts, ask } = open(of);
  rollouts.shadow("m", { version: "1", share: 1 });
  for (let call = 0; call < 10; call += 1) {
    await ask();
    await settle(of);
  }
  expect(rollouts.list()[0]?.shadow).toMatchObject({
    version: "1",
    compared: 10,
    failed: 0,
    dropped: 0,
    top1: 0,
    distance: 1,
    worst: expect.arrayContaining([
      { requestId: "test-call", answer: "dog 1.00", shadow: "cat 1.00", distance: 1 },
    ]),
  });
  rollouts.shadow("m", {});
  await ask();
  await settle(of);
  expect(of.asked.filter((version) => version === "1")).toHaveLength(10);
});

test("a shadow is dropped while calls are queued, or when its slots are taken", async () => {
  const of = world();
  const { rollouts, ask } = open(of, { maxShadows: 2 });
  rollouts.shadow("m", { version: "1", share: 1 });
  of.hasQueue = true;
  await ask();
  await settle(of);
  expect(of.asked).toEqual(["3"]);
  of.hasQueue = false;
  of.durationMs["1"] = 1_000;
  for (let call = 0; call < 5; call += 1) {
    await ask();
    await settle(of);
  }
  expect(rollouts.list()[0]?.shadow).toMatchObject({ dropped: 1 + 3 });
  expect(of.asked.filter((version) => version === "1")).toHaveLength(2);
});

test("a shadow delays no answer: with it and without, each takes the same in virtual time", async () => {
  const durations = async (share: number) => {
    const of = world();
    const { rollouts, ask } = open(of);
    of.durationMs["1"] = 500;
    if (share > 0) rollouts.shadow("m", { version: "1", share });
    const random = seededRandom(4);
    const took: number[] = [];
    for (let call = 0; call < 100; call += 1) {
      of.durationMs["3"] = Math.ceil(random.between(1, 60));
      const startedMs = of.clock.nowMs();
      const answered = ask().then(() => took.push(of.clock.nowMs() - startedMs));
      for (let ms = 0; ms < 61; ms += 1) {
        of.clock.advance(1);
        await new Promise<void>((done) => setImmediate(done));
      }
      await answered;
    }
    return took.toSorted((a, b) => a - b);
  };
  const without = await durations(0);
  expect(await durations(1)).toEqual(without);
});

test("states survive a restart, and gateways with one file follow each other", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-rollouts-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "rollouts.json");
  const of = world();
  const first = open(of, { file });
  const second = open(of, { file });
  const start = { from: "1", to: "2", steps: [10, 100], abortIf: ["top1<0.9"] };
  first.rollouts.start("m", start);
  await vi.waitFor(() => expect(readFileSync(file, "utf8")).toContain('"to": "2"'));
  await vi.waitFor(async () => {
    of.clock.advance(1_000);
    await settle(of);
    expect(second.rollouts.list()[0]).toMatchObject({ weights: { 1: 0.9, 2: 0.1 } });
  });
  second.rollouts.command("m", "promote");
  await vi.waitFor(async () => {
    of.clock.advance(1_000);
    await settle(of);
    expect(first.rollouts.list()[0]).toMatchObject({ stable: "2" });
  });
  const third = open(of, { file });
  expect(third.rollouts.list()[0]).toMatchObject({ stable: "2", weights: { 2: 1 } });
  expect(third.rollouts.list()[0]?.running).toBeUndefined();
  expect(await third.ask()).toBe("2");
  expect([first.failures, second.failures]).toEqual([[], []]);

  writeFileSync(file, "{");
  expect(() => open(world(), { file })).toThrow(/rollouts.file: .*is damaged/);
});

test.each([
  { model: "n", request: { to: "2" }, says: /unknown model "n"/ },
  { model: "m", request: { to: "9" }, says: /no replica has version 9 of m; versions: 3, 2, 1/ },
  { model: "m", request: { to: "2", from: "2" }, says: /in use already/ },
  { model: "m", request: { to: "2", steps: [9] }, says: /ascending percentages/ },
  { model: "m", request: { to: "2", abortIf: ["x"] }, says: /"x" is not a condition/ },
  {
    model: "m",
    request: { to: "2", floor: 2 },
    says: /floor is for devices that hold one version/,
  },
  {
    model: "m",
    request: { to: "2", abortIf: ["top1<1"], shadowShare: 0 },
    says: /top1 needs a share of shadowed calls/,
  },
])("a start that makes no sense is refused: $says", ({ model, request, says }) => {
  const { rollouts } = open(world());
  expect(() => rollouts.start(model, request)).toThrow(RolloutRefusedError);
  expect(() => rollouts.start(model, request)).toThrow(says);
  expect(rollouts.list()).toEqual([]);
});

test("a model that is not idempotent is never shadowed", () => {
  const of = world();
  of.isIdempotent = false;
  const { rollouts } = open(of);
  expect(() => rollouts.shadow("m", { version: "1" })).toThrow(/not idempotent/);
  expect(() => rollouts.start("m", { to: "2", abortIf: ["top1<1"] })).toThrow(/not idempotent/);
});

test("a version that answers the calls is not shadowed: there would be nothing to compare", () => {
  const { rollouts } = open(world());
  const says = /answers its calls; shadow another one/;
  expect(() => rollouts.shadow("m", { version: "3" })).toThrow(says);
  rollouts.start("m", { from: "1", to: "2" });
  rollouts.command("m", "promote");
  expect(() => rollouts.shadow("m", { version: "2" })).toThrow(says);
  expect(rollouts.shadow("m", { version: "3" }).shadow?.version).toBe("3");
});

test.each([
  {
    what: "a step that the plan does not have",
    step: 2,
    says: /damaged.*its plan has no such step/s,
  },
  {
    what: "a folder that does not exist",
    step: undefined,
    says: /rollouts.file: there is no folder/,
  },
])("a file with $what is refused at the start", ({ step, says }) => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-rollouts-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, step === undefined ? "nowhere" : "", "rollouts.json");
  if (step !== undefined) {
    const plan = { from: "1", to: "2", steps: [5, 100], everyMs: 1, abortIf: [], minCalls: 1 };
    const running = { plan: { ...plan, sticky: "none", shadowShare: 0 }, step, stepMs: 0 };
    const state = { revision: 1, stable: "1", running, history: [], before: [] };
    writeFileSync(file, JSON.stringify({ models: { m: state } }));
  }
  expect(() => open(world(), { file })).toThrow(says);
});
