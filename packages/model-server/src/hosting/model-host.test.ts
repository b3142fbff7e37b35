import { type ManualClock, manualClock } from "@tensorgate/core/testing";
import { ServingError } from "@tensorgate/tf-serving";
import { describe, expect, test, vi } from "vitest";
import { createFaultSwitch } from "../faults/fault-switch.ts";
import type { Servable } from "../servable.ts";
import { createConcurrencyLimiter } from "./concurrency.ts";
import type { Loadable, WantedModel } from "./loadable.ts";
import { createModelHost, type ModelHost } from "./model-host.ts";
import { planForDevice, planForMemory } from "./reload-plan.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));
const stays = () => false;
const request = { modelSpec: undefined, outputFilter: [], inputNames: [], input: vi.fn() };

type Answer = Awaited<ReturnType<Servable["predict"]>>;

interface Fake extends WantedModel {
  readonly loadable: Loadable;
  readonly servable: Servable;
  readonly answer: PromiseWithResolvers<Answer>;
}

function fake(name: string, version = 1n, loading: () => Promise<void> = async () => {}): Fake {
  const answer = Promise.withResolvers<Answer>();
  const servable: Servable = {
    name,
    version,
    weights: "given",
    family: undefined,
    signatures: new Map(),
    encodedSignatures: undefined,
    classOutputs: [],
    predict: vi.fn<Servable["predict"]>(() => answer.promise),
    warmUp: vi.fn<Servable["warmUp"]>(async () => {}),
    close: vi.fn<Servable["close"]>(async () => {}),
  };
  const load = async () => {
    await loading();
    return servable;
  };
  const loadable = { name, version, origin: `${name}/${version}`, stamp: "", load };
  return { name, labels: new Map(), find: () => [loadable], loadable, servable, answer };
}

const answerOf = ({ name, loadable: { version } }: Fake): Answer => ({
  model: { name, version },
  signatureName: "serving_default",
  outputs: new Map(),
});

function device(clock: ManualClock, faults = createFaultSwitch({})): ModelHost {
  return createModelHost({
    plan: planForDevice,
    limiter: createConcurrencyLimiter({ maxConcurrency: 1, serviceMs: 0 }, clock),
    clock,
    reconfigureMs: 2_000,
    warmsUp: true,
    allowsUnavailableLabels: false,
    beforeLoad: faults.beforeLoad,
    onLoaded: () => {},
  });
}

const statesOf = (host: ModelHost, ...names: readonly string[]) =>
  names.flatMap((name) =>
    host.statuses(name).map(({ version, state }) => `${name}@${version} ${state.state}`),
  );

test("a swap drains, unloads, waits, loads and warms up", async () => {
  const clock = manualClock();
  const host = device(clock);
  const [a, b] = [fake("a"), fake("b")];
  await host.start([a]);
  const running = host.get("a")?.predict(request, stays);
  const inLine = host.get("a")?.predict(request, stays);

  const reloaded = host.reload([b]);
  await settled();
  expect(statesOf(host, "a", "b")).toEqual(["a@1 unloading", "b@1 start"]);
  expect(host.get("a")).toBeUndefined();
  expect(a.servable.close).not.toHaveBeenCalled();

  a.answer.resolve(answerOf(a));
  expect(await Promise.all([running, inLine])).toEqual([answerOf(a), answerOf(a)]);
  await settled();
  expect(a.servable.close).toHaveBeenCalledOnce();
  expect(statesOf(host, "a", "b")).toEqual(["a@1 end", "b@1 loading"]);
  expect(clock.pendingTimersMs()).toEqual([2_000]);

  clock.advance(1_999);
  await settled();
  expect(host.get("b")).toBeUndefined();
  clock.advance(1);

  expect(await reloaded).toEqual([]);
  expect(statesOf(host, "a", "b")).toEqual(["a@1 end", "b@1 available"]);
  expect(b.servable.warmUp).toHaveBeenCalledOnce();
  expect(host.get("b")).toBeDefined();
});

test("reloads wait for each other, and the last one wins", async () => {
  const clock = manualClock();
  const host = device(clock);
  await host.start([]);
  const reloads = [host.reload([fake("a")]), host.reload([fake("b")])];
  await settled();
  expect(statesOf(host, "a", "b")).toEqual(["a@1 loading"]);

  clock.advance(2_000);
  await settled();
  expect(statesOf(host, "a", "b")).toEqual(["a@1 end", "b@1 loading"]);
  clock.advance(2_000);

  expect(await Promise.all(reloads)).toEqual([[], []]);
  expect(statesOf(host, "a", "b")).toEqual(["a@1 end", "b@1 available"]);
});

test("a second model is refused and ends, the first one is there", async () => {
  const clock = manualClock();
  const host = device(clock);
  const reloaded = host.reload([fake("a"), fake("b")]);
  await settled();
  clock.advance(2_000);

  expect(await reloaded).toMatchObject([{ name: "b", version: 1n, failure: { code: 8 } }]);
  expect(host.statuses("b")).toMatchObject([{ version: 1n, state: { failure: { code: 8 } } }]);
  expect(host.get("a")).toBeDefined();
});

test("a load that fails ends with its error, and the device is empty and can be loaded again", async () => {
  const clock = manualClock();
  const host = device(clock);
  await host.start([fake("a")]);
  const broken = fake("b", 1n, () => Promise.reject(new ServingError(3, "no such operator")));
  const failing = host.reload([broken]);
  await settled();
  clock.advance(2_000);
  const failure = { code: 3, message: "no such operator" };
  expect(await failing).toEqual([{ name: "b", version: 1n, failure }]);
  expect(host.statuses("b")).toEqual([{ version: 1n, state: { state: "end", failure } }]);
  expect(host.available()).toEqual([]);

  const again = host.reload([fake("b")]);
  await settled();
  clock.advance(2_000);

  expect(await again).toEqual([]);
  expect(statesOf(host, "b")).toEqual(["b@1 available"]);
});

test("a model that dies of its first run is not available", async () => {
  const clock = manualClock();
  const host = device(clock);
  const model = fake("a");
  vi.mocked(model.servable.warmUp).mockRejectedValue(new ServingError(14, "gone"));
  const reloaded = host.reload([model]);
  await settled();
  clock.advance(2_000);

  expect(await reloaded).toMatchObject([{ failure: { code: 14, message: "gone" } }]);
  expect(model.servable.close).toHaveBeenCalledOnce();
});

test("a load that sticks stays in loading until the fault is taken away", async () => {
  const clock = manualClock();
  const faults = createFaultSwitch({ stickLoads: 1 });
  const host = device(clock, faults);
  const reloaded = host.reload([fake("a")]);
  await settled();
  clock.advance(60_000);
  await settled();
  expect(statesOf(host, "a")).toEqual(["a@1 loading"]);

  faults.clear();

  expect(await reloaded).toEqual([]);
  expect(statesOf(host, "a")).toEqual(["a@1 available"]);
});

test("a host that closes gives up a reload, wherever it is", async () => {
  const clock = manualClock();
  const host = device(clock, createFaultSwitch({ stickLoads: 1 }));
  const stuck = host.reload([fake("a")]);
  const behind = host.reload([fake("b")]);
  behind.catch(() => {});
  await settled();
  clock.advance(2_000);
  await settled();

  await host.close();

  expect(await stuck).toMatchObject([{ failure: { code: 14 } }]);
  await expect(behind).rejects.toThrow("the model server is being stopped");
});

function inMemory(options: { readonly allowsUnavailableLabels?: boolean } = {}): ModelHost {
  const clock = manualClock();
  return createModelHost({
    plan: planForMemory,
    limiter: createConcurrencyLimiter({ maxConcurrency: 10, serviceMs: 0 }, clock),
    clock,
    reconfigureMs: 0,
    warmsUp: false,
    allowsUnavailableLabels: false,
    beforeLoad: async () => {},
    onLoaded: () => {},
    ...options,
  });
}

test("in memory the old version answers until the new one is there", async () => {
  const loading = Promise.withResolvers<void>();
  const host = inMemory();
  const other = fake("b");
  await host.start([fake("a"), other]);
  const reloaded = host.reload([fake("a", 2n, () => loading.promise), other]);
  await settled();
  expect(statesOf(host, "a", "b")).toEqual(["a@2 loading", "a@1 available", "b@1 available"]);
  expect(host.get("a")?.version).toBe(1n);

  loading.resolve();

  expect(await reloaded).toEqual([]);
  expect(statesOf(host, "a", "b")).toEqual(["a@2 available", "a@1 end", "b@1 available"]);
  expect(other.servable.close).not.toHaveBeenCalled();
});

test("names that a client made up are forgotten in the end", async () => {
  const host = device(manualClock());
  const held = fake("held");
  await host.start([held]);

  for (let index = 0; index < 150; index += 1) await host.reload([held, fake(`n${index}`)]);

  expect(statesOf(host, "held", "n0", "n149")).toEqual(["held@1 available", "n149@1 end"]);
});

/** A model with several versions, which a test changes. */
function several(name: string, ...versions: readonly bigint[]) {
  let loadables: readonly Loadable[] = [];
  const replace = (found: readonly Loadable[]): void => {
    loadables = found;
  };
  const serve = (...wanted: readonly bigint[]): void =>
    replace(wanted.map((version) => fake(name, version).loadable));
  serve(...versions);
  return { name, labels: new Map<string, bigint>(), find: () => loadables, serve, replace };
}

test("several versions are served, and the newest answers for the name", async () => {
  const host = inMemory();

  await host.start([several("a", 3n, 1n)]);

  expect(host.get("a")?.version).toBe(3n);
  expect(host.get("a", 1n)?.version).toBe(1n);
  expect(host.get("a", 2n)).toBeUndefined();
});

test("versions that come and go in a folder are loaded and unloaded", async () => {
  const host = inMemory();
  const model = several("a", 1n);
  await host.start([model]);

  model.serve(2n, 1n);
  await host.scanFolders();
  expect(statesOf(host, "a")).toEqual(["a@2 available", "a@1 available"]);

  model.serve(2n);
  await host.scanFolders();
  expect(statesOf(host, "a")).toEqual(["a@2 available", "a@1 end"]);

  model.serve();
  await host.scanFolders();
  expect(statesOf(host, "a")).toEqual(["a@2 end", "a@1 end"]);
});

test("a version that failed is tried again when its file changes, and not before", async () => {
  const host = inMemory();
  const loads = vi.fn(async (): Promise<Servable> => {
    throw new Error("cut short");
  });
  const model = several("a");
  model.replace([{ ...fake("a").loadable, load: loads }]);
  const failure = { code: 13, message: "cut short" };
  expect(await host.start([model])).toEqual([{ name: "a", version: 1n, failure }]);

  expect(await host.scanFolders()).toEqual([]);
  expect(loads).toHaveBeenCalledTimes(1);
  loads.mockImplementation(async () => fake("a").servable);
  model.replace([{ ...fake("a").loadable, stamp: "changed", load: loads }]);
  expect(await host.scanFolders()).toEqual([]);

  expect(statesOf(host, "a")).toEqual(["a@1 available"]);
});

test("a folder that cannot be read changes nothing", async () => {
  const host = inMemory();
  const model = several("a", 1n);
  const find = vi.fn(model.find);
  await host.start([{ ...model, find }]);

  find.mockImplementation(() => {
    throw new Error("no such folder");
  });
  await host.scanFolders();

  expect(statesOf(host, "a")).toEqual(["a@1 available"]);
});

test("a model without a version is reported by a reload", async () => {
  const host = inMemory();

  expect(await host.reload([several("a")])).toMatchObject([
    { name: "a", version: undefined, failure: { message: "no version of model a was found" } },
  ]);
});

describe("labels", () => {
  const labelled = (versions: readonly bigint[], labels: Readonly<Record<string, bigint>>) => ({
    ...several("a", ...versions),
    labels: new Map(Object.entries(labels)),
  });
  const refused =
    "Request to assign label to version 7 of model a, which is not currently available";

  test("stand for versions until the next list", async () => {
    const host = inMemory();
    await host.start([several("a", 2n, 1n)]);

    await host.reload([labelled([2n, 1n], { stable: 1n })]);
    expect(host.labelledVersion("a", "stable")).toBe(1n);
    expect(host.labelledVersion("b", "stable")).toBeUndefined();
    await host.reload([several("a", 2n, 1n)]);

    expect(host.labelledVersion("a", "stable")).toBeUndefined();
  });

  test("of a version that is not available change nothing", async () => {
    const host = inMemory();
    await host.start([several("a", 1n)]);

    await expect(host.reload([labelled([2n], { stable: 7n })])).rejects.toThrow(refused);

    expect(statesOf(host, "a")).toEqual(["a@1 available"]);
  });

  test("that are aliases name the old version until the new one can answer", async () => {
    const host = inMemory();
    const model = several("a", 1n);
    let champion = 1n;
    const aliased = {
      ...model,
      aliases: async () => [{ name: "a", labels: new Map([["champion", champion]]) }],
    };
    await host.start([aliased]);
    const next = fake("a", 2n);
    const seen: (bigint | undefined)[] = [];
    const load = async () => {
      seen.push(host.labelledVersion("a", "champion"));
      return next.servable;
    };

    champion = 2n;
    model.replace([{ ...next.loadable, load }]);
    await host.scanFolders();

    expect([...seen, host.labelledVersion("a", "champion")]).toEqual([1n, 2n]);
  });

  test("that are aliases stay where they are while they cannot be read", async () => {
    const host = inMemory();
    let isBroken = false;
    const aliases = async () => {
      if (isBroken) throw new Error("model.json is not valid JSON");
      return [{ name: "a", labels: new Map([["champion", 1n]]) }];
    };
    await host.start([{ ...several("a", 1n), aliases }]);

    isBroken = true;
    await host.scanFolders();

    expect(host.labelledVersion("a", "champion")).toBe(1n);
  });

  test("may be given beforehand if that is allowed, but do not move to what is not there", async () => {
    const host = inMemory({ allowsUnavailableLabels: true });

    await host.start([labelled([1n], { stable: 1n, next: 9n })]);
    expect(host.labelledVersion("a", "next")).toBe(9n);

    await expect(host.reload([labelled([1n], { stable: 7n })])).rejects.toThrow(refused);
    expect(host.labelledVersion("a", "stable")).toBe(1n);
  });
});
