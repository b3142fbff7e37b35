import type { Gateway, SwapRequest } from "@tensorgate/gateway";
import { expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type RunningDevices, startDevices } from "../support/running-devices.ts";
import { startGateway } from "../support/running-gateway.ts";

const picture = samplePicture("star");

interface Rig extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly options: RunningDevices["options"];
  classify(model: string): Promise<Response>;
  detect(): Promise<Response>;
  /** Classifies until it is stopped, several at a time. */
  classifyAll(): { stop(): Promise<{ readonly answered: number; readonly failures: unknown[] }> };
  swap(request: SwapRequest): Promise<{ readonly state: string; readonly because?: string }>;
}

/** A gateway in front of devices that hold the shapes model, where the detector is configured, too. */
async function devicesRig(count: number): Promise<Rig> {
  const devices = await startDevices(count);
  const running = await startGateway({}, devices.options);
  const { gateway, url } = running;
  const classify = (model: string) =>
    fetch(`${url}/v1/classify/${model}`, { method: "POST", body: picture });
  return {
    gateway,
    classify,
    options: devices.options,
    detect: () => fetch(`${url}/v1/detect/shapes-detector`, { method: "POST", body: picture }),
    classifyAll: () => {
      const failures: unknown[] = [];
      let [answered, isStopped] = [0, false];
      const worker = async () => {
        while (!isStopped) {
          const response = await classify("shapes");
          const body: unknown = await response.json();
          if (response.ok) answered += 1;
          else failures.push(body);
        }
      };
      // One device can do as much: what is more would be rejected as overload.
      const workers = [1, 2].map(worker);
      return {
        stop: async () => {
          isStopped = true;
          await Promise.all(workers);
          return { answered, failures };
        },
      };
    },
    swap: async (request) => {
      const { done } = await gateway.devices.swap(request);
      return done;
    },
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      await devices[Symbol.asyncDispose]();
    },
  };
}

test("a device is swapped to another model and back, and no call is lost", async () => {
  await using rig = await devicesRig(2);
  const { gateway } = rig;
  const calls = rig.classifyAll();

  const there = await rig.swap({ model: "shapes-detector" });
  const between = await gateway.devices.list();
  const detected = await rig.detect();
  const back = await rig.swap({ model: "shapes", count: 2, floor: 0 });

  const { answered, failures } = await calls.stop();
  expect(there).toMatchObject({ state: "done" });
  expect(between.map(({ model }) => model).toSorted()).toEqual(["shapes", "shapes-detector"]);
  expect(detected.status).toBe(200);
  expect(back).toMatchObject({ state: "done" });
  expect((await gateway.devices.list()).map(({ model }) => model)).toEqual(["shapes", "shapes"]);
  expect(failures).toEqual([]);
  expect(answered).toBeGreaterThan(0);
});

test("the error of a call whose model no device holds says which could, and when", async () => {
  await using rig = await devicesRig(2);
  const { devices } = rig.gateway;

  const before = await rig.detect();

  expect(before.status).toBe(503);
  expect(Number(before.headers.get("retry-after"))).toBeGreaterThan(0);
  const { reason, detail, hint } = (await before.json()) as Record<string, string>;
  expect({ reason, detail, hint }).toEqual({
    reason: "model-not-ready",
    detail: 'no device holds model "shapes-detector"',
    hint: "2 devices (westeurope-1, westeurope-2) could hold it; an operator can swap one with tensorgate device swap",
  });

  const { id, done } = await devices.swap({ model: "shapes-detector" });
  for await (const { step } of devices.follow(id)) if (step === "reprogram") break;
  const during = (await (await rig.detect()).json()) as Record<string, string>;

  expect(during["reason"]).toBe("model-not-ready");
  expect(during["hint"]).toContain("; a swap started ");
  await done;
  expect((await rig.detect()).status).toBe(200);
});

test("a model that leaves its only device is reported in the same way", async () => {
  await using rig = await devicesRig(1);
  const { devices } = rig.gateway;
  await expect(devices.swap({ model: "shapes-detector" })).rejects.toThrow(
    'model "shapes" would be left with 0 ready replicas; the floor is 1',
  );

  const { id, done } = await devices.swap({ model: "shapes-detector", floor: 0 });
  for await (const { step } of devices.follow(id)) if (step === "reprogram") break;

  expect(await (await rig.classify("shapes")).json()).toMatchObject({ reason: "model-not-ready" });
  expect(await done).toMatchObject({ state: "done" });
  expect(await (await rig.classify("shapes")).json()).toMatchObject({ reason: "model-not-ready" });
});

test("a device that fails its golden check gets no calls, until it passes", async () => {
  await using rig = await devicesRig(2);
  const golden = { picture: samplePicture("scene-1"), label: "dragon" };

  const failed = await rig.swap({ model: "shapes-detector", golden });

  expect(failed.state).toBe("failed");
  expect(failed.because).toContain('expected "dragon" for the golden picture, got "');
  expect((await rig.gateway.devices.list()).filter(({ isOut }) => isOut)).toMatchObject([
    { state: "ready", model: "shapes-detector" },
  ]);
  expect(await (await rig.detect()).json()).toMatchObject({ reason: "model-not-ready" });

  const [, got = ""] = /got "(\w+)"/.exec(failed.because ?? "") ?? [];
  const again = await rig.swap({ model: "shapes-detector", golden: { ...golden, label: got } });

  expect(again.state).toBe("done");
  expect((await rig.detect()).status).toBe(200);
});

test("a reload that the device refuses costs nothing", async () => {
  await using rig = await devicesRig(2);
  const calls = rig.classifyAll();

  const refused = await rig.swap({ model: "shapes-detector", basePath: "/nowhere" });

  const { failures } = await calls.stop();
  expect(refused.state).toBe("failed");
  expect(refused.because).toContain("rejected the model");
  expect(failures).toEqual([]);
  const all = await rig.gateway.devices.list();
  expect(all.map(({ model, isOut }) => ({ model, isOut }))).toEqual([
    { model: "shapes", isOut: false },
    { model: "shapes", isOut: false },
  ]);
});

test("a swap by one gateway costs callers of another nothing", async () => {
  await using rig = await devicesRig(2);
  await using other = await startGateway({}, rig.options);
  const calls = rig.classifyAll();

  const { done } = await other.gateway.devices.swap({ model: "shapes-detector" });

  expect(await done).toMatchObject({ state: "done" });
  const { answered, failures } = await calls.stop();
  expect(failures).toEqual([]);
  expect(answered).toBeGreaterThan(0);
});

test("a reload of the configuration lets no device in that is being swapped", async () => {
  await using rig = await devicesRig(2);
  const { gateway } = rig;
  const golden = { picture: samplePicture("scene-1"), label: "dragon" };
  await rig.swap({ model: "shapes-detector", golden });
  const options = { ...rig.options, listen: { port: 0 } };

  gateway.reload({ ...options, pools: options.pools.slice(0, 1) });
  gateway.reload(options);

  expect((await gateway.devices.list()).filter(({ isOut }) => isOut)).toHaveLength(1);
  expect(await (await rig.detect()).json()).toMatchObject({ reason: "model-not-ready" });
});
