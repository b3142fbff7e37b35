import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type DeviceGateway, type DeviceWorld, deviceWorld, swapMs } from "./testing.ts";

const request = { from: "3", to: "4", steps: [25, 50, 100], everyMs: 10_000 };

function opened(world: DeviceWorld, options: { file?: string } = {}): DeviceGateway {
  const gateway = world.open(options);
  onTestFinished(() => gateway.rollouts.close());
  return gateway;
}

/** Asks ten times a second. @returns the answers by version; a call that fails fails the test */
async function asked(world: DeviceWorld, { ask }: DeviceGateway, durationMs: number) {
  const counts: Record<string, number> = {};
  for (let passed = 0; passed < durationMs; passed += 100) {
    const version = await ask();
    counts[version] = (counts[version] ?? 0) + 1;
    await world.pass(100);
  }
  return counts;
}

/** Lets time pass, and files be written, until something holds. */
async function until(world: DeviceWorld, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 1_500; turn += 1) {
    if (await holds()) return;
    await world.pass(200);
  }
  throw new Error("it did not hold within five minutes");
}

const reportOf = ({ rollouts }: DeviceGateway) => rollouts.list()[0];

test("each step swaps its devices first, and the floor keeps the old version until the end", async () => {
  const world = deviceWorld("3", "3", "3", "3");
  const gateway = opened(world);
  const report = gateway.rollouts.start("m", request);
  expect(report).toMatchObject({
    weights: { 3: 1, 4: 0 },
    devices: { serving: { 3: 4 }, floor: 1 },
    waitsFor: "its devices are being looked at",
  });

  await asked(world, gateway, 1_500);
  expect(reportOf(gateway)).toMatchObject({
    weights: { 3: 1, 4: 0 },
    waitsFor: 'd0: loading version 4 of model "m"',
  });
  await asked(world, gateway, swapMs);
  expect(reportOf(gateway)).toMatchObject({ weights: { 3: 0.75, 4: 0.25 } });
  const first = await asked(world, gateway, 8_000);
  expect(world.begun).toEqual(["d0 → 4"]);
  expect(first["4"]).toBeGreaterThan(0);

  await asked(world, gateway, 10_000);
  expect(world.held).toEqual(["4", "4", "3", "3"]);
  await asked(world, gateway, 12_000);
  expect(world.held).toEqual(["4", "4", "4", "3"]);
  expect(reportOf(gateway)).toMatchObject({ weights: { 3: 0.25, 4: 0.75 } });
  expect(await gateway.ask({ versionLabel: "stable" })).toBe("3");

  await asked(world, gateway, 20_000);
  expect(world.held).toEqual(["4", "4", "4", "4"]);
  expect(reportOf(gateway)).toMatchObject({ stable: "4", weights: { 4: 1 } });
  expect(reportOf(gateway)?.leaving).toBeUndefined();
  expect(reportOf(gateway)?.history.map(({ text }) => text)).toEqual([
    "version 4 gets 25 %",
    "d0 serves version 4",
    "version 4 gets 50 %",
    "d1 serves version 4",
    "version 4 gets 100 %",
    "d2 serves version 4",
    "completed: version 4 gets all calls",
    "d3 serves version 4",
    "no device holds version 3",
  ]);
});

test("an abort gives the next call the old version, and swaps the devices back", async () => {
  const world = deviceWorld("3", "3", "3");
  const gateway = opened(world);
  gateway.rollouts.start("m", { ...request, steps: [60, 100], everyMs: 60_000 });
  await asked(world, gateway, 7_000);
  expect(world.held).toEqual(["4", "4", "3"]);

  gateway.rollouts.command("m", "abort");

  for (let call = 0; call < 20; call += 1) expect(await gateway.ask()).toBe("3");
  expect(await asked(world, gateway, 9_000)).toEqual({ 3: 90 });
  expect(world.held).toEqual(["3", "3", "3"]);
  expect(reportOf(gateway)?.leaving).toBeUndefined();
});

test("a promotion is undone by swaps, and callers get a version that is there", async () => {
  const world = deviceWorld("3", "3");
  const gateway = opened(world);
  gateway.rollouts.start("m", { ...request, steps: [100] });
  await asked(world, gateway, 4_000);
  gateway.rollouts.command("m", "promote");
  await asked(world, gateway, 5_000);
  expect(world.held).toEqual(["4", "4"]);

  gateway.rollouts.command("m", "undo");
  expect(await gateway.ask()).toBe("4");
  expect(await gateway.ask({ versionLabel: "stable" })).toBe("4");
  await asked(world, gateway, 9_000);

  expect(world.held).toEqual(["3", "3"]);
  expect(await gateway.ask()).toBe("3");
});

test("a version that cannot be loaded aborts, costs no call, and the device gets the old one back", async () => {
  const world = deviceWorld("3", "3", "3");
  world.broken.add("4");
  const gateway = opened(world);
  gateway.rollouts.start("m", request);

  const counts = await asked(world, gateway, 12_000);

  expect(counts).toEqual({ 3: 120 });
  expect(world.held).toEqual(["3", "3", "3"]);
  const texts = reportOf(gateway)?.history.map(({ text }) => text);
  expect(texts?.slice(1)).toEqual([
    "aborted: d0: no such version",
    "d0 serves version 3",
    "no device holds version 4",
  ]);
});

test("a rollout goes on after a restart, also with a device between two versions", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-devices-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "rollouts.json");
  const world = deviceWorld("3", "3", "3", "3");
  const first = opened(world, { file });
  first.rollouts.start("m", { ...request, steps: [50, 100] });
  await until(
    world,
    () => existsSync(file) && readFileSync(file, "utf8").includes("d0 serves version 4"),
  );
  first.rollouts.close();
  await world.pass(swapMs);
  await until(world, () => !existsSync(`${file}.swaps`));
  world.held[1] = undefined;

  const second = opened(world, { file });
  expect(reportOf(second)).toMatchObject({ weights: { 3: 1 - 1 / 3, 4: 1 / 3 } });
  await until(world, async () => {
    await asked(world, second, 500);
    return reportOf(second)?.stable === "4" && !reportOf(second)?.leaving;
  });
  expect(world.held).toEqual(["4", "4", "4", "4"]);
  expect(second.failures).toEqual([]);
});

test("of two gateways with one file one swaps, and both choose by the same steps", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-devices-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "rollouts.json");
  const world = deviceWorld("3", "3", "3");
  const [first, second] = [opened(world, { file }), opened(world, { file })];
  first.rollouts.start("m", { ...request, steps: [100], everyMs: 30_000 });
  await until(world, async () => {
    await asked(world, second, 300);
    await asked(world, first, 300);
    return reportOf(second)?.stable === "4" && !reportOf(second)?.leaving;
  });
  expect(world.begun).toEqual(["d0 → 4", "d1 → 4", "d2 → 4"]);
  expect(await second.ask()).toBe("4");
});

test("the lease is kept while a step waits for its time", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-devices-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "rollouts.json");
  const world = deviceWorld("3", "3", "3", "3");
  const gateway = opened(world, { file });
  gateway.rollouts.start("m", { ...request, steps: [25, 100], everyMs: 600_000 });
  await until(world, () => reportOf(gateway)?.weights?.["4"] === 0.25);
  const lease = () => readFileSync(`${file}.swaps`, "utf8");

  const before = lease();
  await until(world, () => lease() !== before);

  expect(world.begun).toEqual(["d0 → 4"]);
});

test.each([
  {
    held: ["3"],
    more: {},
    says: "a rollout with a floor of 1 needs 2 devices, and 1 serves the model",
  },
  {
    held: ["3", "3"],
    more: { floor: 2 },
    says: "a rollout with a floor of 2 needs 3 devices, and 2 serve the model",
  },
  {
    held: ["3", "3"],
    more: { from: "7" },
    says: "no device serves version 7 of m; serving: 2 of version 3",
  },
  { held: [undefined], more: { from: undefined }, says: "no device serves m" },
  { held: ["3", "3"], more: { to: "3" }, says: "in use already" },
])("a start without enough devices is refused: $says", ({ held, more, says }) => {
  const { rollouts } = opened(deviceWorld(...held));
  const { from: _from, ...rest } = { ...request, ...more };
  const asFrom = more.from === undefined ? {} : { from: more.from };
  expect(() => rollouts.start("m", { ...rest, ...asFrom })).toThrow(says);
  expect(rollouts.list()).toEqual([]);
});
