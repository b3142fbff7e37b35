import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import { expect, onTestFinished, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, shapesModel } from "../support/running-gateway.ts";

const picture = samplePicture("star");

/** A gateway in front of exclusive devices that hold version 1 of `shapes`; the folder has version 2 as well. */
async function startRig(count: number) {
  const stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-rollout-devices-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  for (const version of ["1", "2"]) {
    mkdirSync(join(folder, "shapes"), { recursive: true });
    cpSync(join(bundledModelsDirectory, "shapes", "1"), join(folder, "shapes", version), {
      recursive: true,
    });
  }
  const ofFirst = { kind: "specific", versions: [1n] } as const;
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = await startModelServer({
        port: 0,
        models: { name: "shapes", basePath: join(folder, "shapes"), versionPolicy: ofFirst },
        device: { kind: "exclusive", startWith: "shapes", reconfigureMs: 50 },
      });
      stack.defer(() => server.close(0));
      return server;
    }),
  );
  const options = {
    region: "westeurope",
    models: [shapesModel()],
    pools: [
      {
        model: "shapes",
        region: "westeurope",
        replicas: servers.map(({ port }) => `127.0.0.1:${port}`),
        exclusive: true,
      },
    ],
    rollouts: { intervalMs: 50, file: join(folder, "rollouts.json") },
  };
  const open = async () => {
    const running = await openGateway(options);
    stack.use(running);
    await expect
      .poll(async () => (await running.gateway.devices.list()).map(({ state }) => state))
      .toEqual(servers.map(() => "ready"));
    const replicas = () =>
      running.gateway
        .status()
        .regions.flatMap(({ pools }) => pools.flatMap((each) => each.replicas));
    await expect
      .poll(() => replicas().map(({ state }) => state))
      .toEqual(servers.map(() => "ready"));
    return running;
  };
  onTestFinished(() => stack.disposeAsync());
  return { open };
}

/** Classifies until it is stopped. */
function classifyAll(url: string) {
  const versions: string[] = [];
  const failures: unknown[] = [];
  let isStopped = false;
  const worker = async () => {
    while (!isStopped) {
      const response = await fetch(`${url}/v1/classify/shapes`, { method: "POST", body: picture });
      const body = (await response.json()) as { readonly model?: { readonly version: string } };
      if (response.ok) versions.push(body.model?.version ?? "none");
      else failures.push(body);
    }
  };
  const workers = [1, 2].map(worker);
  return {
    versions,
    stop: async () => {
      isStopped = true;
      await Promise.all(workers);
      return failures;
    },
  };
}

test("a version is rolled out over exclusive devices, undone and aborted, and no call fails", async () => {
  const { open } = await startRig(3);
  const { gateway, url } = await open();
  const { rollouts, devices } = gateway;
  const report = () => rollouts.list()[0];
  const versions = async () => (await devices.list()).map(({ version }) => version).toSorted();
  const until = (what: () => unknown, expected: unknown) =>
    expect.poll(what, { interval: 20, timeout: 20_000 }).toEqual(expected);
  const calls = classifyAll(url);

  rollouts.start("shapes", { to: "2", steps: [40, 100], everyMs: 300 });
  expect(report()).toMatchObject({ weights: { 1: 1, 2: 0 }, devices: { serving: { 1: 3 } } });
  await until(() => report()?.stable, "2");
  await until(() => report()?.leaving, undefined);
  expect(await versions()).toEqual(["2", "2", "2"]);
  const rolledOut = calls.versions.length;
  expect(new Set(calls.versions)).toEqual(new Set(["1", "2"]));

  rollouts.command("shapes", "undo");
  await until(() => report()?.leaving, undefined);
  expect(await versions()).toEqual(["1", "1", "1"]);

  rollouts.start("shapes", { to: "2", steps: [60, 100], everyMs: 60_000 });
  await until(() => report()?.devices?.serving, { 1: 1, 2: 2 });
  rollouts.command("shapes", "abort");
  const aborted = await fetch(`${url}/v1/classify/shapes`, { method: "POST", body: picture });
  expect(await aborted.json()).toMatchObject({ model: { version: "1" } });
  await until(() => report()?.leaving, undefined);
  expect(await versions()).toEqual(["1", "1", "1"]);

  expect(await calls.stop()).toEqual([]);
  expect(calls.versions.length).toBeGreaterThan(rolledOut);
}, 60_000);

test("a gateway that starts again finishes the rollout of the one before", async () => {
  const { open } = await startRig(2);
  const first = await open();
  first.gateway.rollouts.start("shapes", { to: "2", steps: [50, 100], everyMs: 400 });
  await expect
    .poll(() => first.gateway.rollouts.list()[0]?.waitsFor, { interval: 5, timeout: 10_000 })
    .toMatch(/westeurope-1: (loading|waiting)/);
  await first[Symbol.asyncDispose]();

  const second = await open();
  const calls = classifyAll(second.url);
  await expect
    .poll(() => second.gateway.rollouts.list()[0], { interval: 20, timeout: 20_000 })
    .toMatchObject({ stable: "2", weights: { 2: 1 } });
  await expect
    .poll(() => second.gateway.rollouts.list()[0]?.leaving, { interval: 20, timeout: 20_000 })
    .toBeUndefined();
  expect(await calls.stop()).toEqual([]);
  const held = await second.gateway.devices.list();
  expect(held.map(({ version, isOut }) => ({ version, isOut }))).toEqual([
    { version: "2", isOut: false },
    { version: "2", isOut: false },
  ]);
}, 60_000);

test("a version that a device does not find aborts, and no call fails", async () => {
  const { open } = await startRig(2);
  const { gateway, url } = await open();
  const calls = classifyAll(url);
  gateway.rollouts.start("shapes", { to: "9" });
  await expect
    .poll(() => gateway.rollouts.list()[0]?.running, { interval: 20, timeout: 20_000 })
    .toBeUndefined();
  expect(gateway.rollouts.list()[0]).toMatchObject({ stable: "1", weights: { 1: 1 } });
  await expect
    .poll(() => gateway.rollouts.list()[0]?.leaving, { interval: 20, timeout: 20_000 })
    .toBeUndefined();
  expect(gateway.rollouts.list()[0]?.history.map(({ text }) => text)).toContainEqual(
    expect.stringMatching(/^aborted: westeurope-\d: rejected the model: .*version/),
  );
  expect(await calls.stop()).toEqual([]);
  expect((await gateway.devices.list()).map(({ version }) => version)).toEqual(["1", "1"]);
}, 60_000);
