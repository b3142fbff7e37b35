import { fileURLToPath } from "node:url";
import type { Gateway } from "@tensorgate/gateway";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runGateway } from "../../packages/cli/src/telemetry/run-gateway.ts";
import { runInProcess } from "../support/in-process-command.ts";
import { startDevices } from "../support/running-devices.ts";

const notes: string[] = [];
const log = {
  call: () => {},
  replica: () => {},
  internalError: () => {},
  certificates: () => {},
  rejectedConnections: () => {},
  warn: () => {},
  info: (line: string) => void notes.push(line),
  state: () => ({ queuedBytes: 0, droppedCount: 0 }),
  flush: async () => {},
};

interface Rig extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly ask: (path: string, init?: RequestInit) => Promise<Response>;
  readonly post: (
    path: string,
    body: string,
    headers?: Record<string, string>,
  ) => Promise<Response>;
}

/** A gateway with its admin port, in front of two devices that hold the shapes model. */
async function startRig(): Promise<Rig> {
  notes.length = 0;
  const devices = await startDevices(2);
  const running = await runGateway({
    options: { ...devices.options, listen: { port: 0 } },
    admin: { host: "127.0.0.1", port: 0 },
    isAdminNeeded: true,
    log,
  });
  await running.gateway.ready();
  process.env["TENSORGATE_ADMIN_URL"] = running.adminUrl ?? "";
  const ask = (path: string, init: RequestInit = {}) => fetch(`${running.adminUrl}${path}`, init);
  return {
    gateway: running.gateway,
    ask,
    post: (path, body, headers = {}) =>
      ask(path, {
        method: "POST",
        body,
        headers: { "content-type": "application/json", ...headers },
      }),
    [Symbol.asyncDispose]: async () => {
      delete process.env["TENSORGATE_ADMIN_URL"];
      await running.close({ graceMs: 0 });
      await devices[Symbol.asyncDispose]();
    },
  };
}

const tensorgate = (...args: readonly string[]) => runInProcess(args);

test("devices are listed, swapped step by step, and listed again", async () => {
  await using _rig = await startRig();
  const before = await tensorgate("device", "list");
  const swapped = await tensorgate("device", "swap", "shapes-detector");
  const after = await tensorgate("device", "--json");

  expect(before.stdout).toMatch(
    /^device +address +region +state +model +version +calls +could hold\n/,
  );
  expect(before.stdout).toMatch(
    /\nwesteurope-1 +127\.0\.0\.1:\d+ +westeurope +ready +shapes +1 +yes /,
  );
  expect(swapped).toMatchObject({ code: 0, stderr: "" });
  expect(swapped.stdout.replaceAll(/^ +\d+\.\d s {2}/gm, "").split("\n")).toEqual([
    'westeurope-1: draining calls of model "shapes"',
    'westeurope-1: loading model "shapes-detector"',
    "westeurope-1: waiting until the model is ready",
    "westeurope-1: verifying the model's result",
    "westeurope-1: returning to rotation",
    '1 device serves model "shapes-detector"',
    "",
  ]);
  const models = after.stdout.split("\n", 2).map((line) => JSON.parse(line).model);
  expect(models.toSorted()).toEqual(["shapes", "shapes-detector"]);
  expect(notes).toContain('swap 1: westeurope-1: loading model "shapes-detector"');
});

test("a swap as JSON, and what it leaves to do when it is asked for again", async () => {
  await using _rig = await startRig();
  const swapped = await tensorgate("device", "swap", "shapes-detector", "--json");
  const again = await tensorgate("device", "swap", "shapes-detector", "--json");

  const steps = swapped.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).step);
  expect(steps).toEqual(["drain", "reprogram", "load", "check", "readmit", "done"]);
  expect(again).toMatchObject({ code: 0 });
  expect(JSON.parse(again.stdout)).toMatchObject({ swapId: "2", step: "done" });
});

test("what fails is said, with exit code 1", async () => {
  await using _rig = await startRig();
  const star = fileURLToPath(new URL("../../examples/pictures/scene-1.jpg", import.meta.url));
  const golden = ["--golden", star, "--expect", "dragon"];

  const failed = await tensorgate("device", "swap", "shapes-detector", ...golden);

  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('expected "dragon" for the golden picture, got "');
  expect((await tensorgate("device", "list")).stdout).toContain("excluded");
});

test("a swap of several is aborted, and the device that it is at is finished", async () => {
  await using rig = await startRig();
  const { devices } = rig.gateway;
  const { id, done } = await devices.swap({ model: "shapes-detector", count: 2, floor: 0 });
  for await (const { step } of devices.follow(id)) if (step === "reprogram") break;

  const aborted = await tensorgate("device", "abort");

  expect(aborted).toMatchObject({ code: 0, stdout: "swap 1 stops after the current device\n" });
  expect(await done).toMatchObject({ state: "aborted" });
  const models = (await devices.list()).map(({ model }) => model);
  expect(models.toSorted()).toEqual(["shapes", "shapes-detector"]);
  expect(await tensorgate("device", "abort", id)).toMatchObject({ stdout: "swap 1 is aborted\n" });
});

test("--force leaves a model without a replica", async () => {
  await using rig = await startRig();

  const swapped = await tensorgate("device", "swap", "shapes-detector", "--count", "2", "--force");

  expect(swapped.code).toBe(0);
  expect((await rig.gateway.devices.list()).map(({ model }) => model)).toEqual([
    ...["shapes-detector", "shapes-detector"],
  ]);
});

test("a swap by the API tells where to follow it", async () => {
  await using rig = await startRig();
  const begun = await rig.post("/devices/swap", JSON.stringify({ model: "shapes-detector" }));

  expect(begun.status).toBe(202);
  const path = begun.headers.get("location") ?? "";
  expect(await begun.json()).toEqual({ id: "1" });
  const lines = (await (await rig.ask(`${path}/progress`)).text()).trim().split("\n");
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ step: "done" });
  expect(await (await rig.ask(path)).json()).toMatchObject({
    state: "done",
    devices: ["westeurope-1"],
  });
});

describe("what changes nothing", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  test.each([
    { args: ["swap", "shapes-detector", "--count", "2"], says: "the floor is 1" },
    { args: ["swap", "nothing"], says: 'no pool with exclusive: true serves model "nothing"' },
    { args: ["swap", "shapes-detector", "--device", "x"], says: "device x cannot hold that model" },
    {
      args: ["swap", "shapes-detector", "--golden", "nowhere"],
      says: "cannot read the golden picture",
    },
    { args: ["abort"], says: "no swap is in progress" },
    { args: ["abort", "7"], says: "unknown swap 7" },
    { args: ["list", "--admin-url", "http://127.0.0.1:1"], says: "no gateway answers at" },
  ])("device $args is refused: $says", async ({ args, says }) => {
    const { code, stderr } = await tensorgate("device", ...args);

    expect(code).toBe(1);
    expect(stderr).toContain(says);
  });

  test("help has an example", async () => {
    const { code, stdout } = await tensorgate("device", "swap", "--help");

    expect(code).toBe(0);
    expect(stdout).toContain("tensorgate device swap resnet --base-path /models/resnet");
  });

  test.each([
    { headers: { origin: "http://127.0.0.1:8080" }, status: 403, because: "a page asks" },
    { headers: { "sec-fetch-site": "same-origin" }, status: 403, because: "a browser asks" },
    { headers: { "content-type": "text/plain" }, status: 415, because: "a form may send that" },
    { headers: {}, status: 400, because: "it is no request" },
  ])("a swap is not begun where $because", async ({ headers, status }) => {
    const response = await rig.post("/devices/swap", "{}", headers);

    expect(response.status).toBe(status);
    expect(await response.json()).toHaveProperty("error");
    expect(rig.gateway.devices.swaps()).toEqual([]);
  });

  test.each([
    { name: "deep", body: '{"model":'.repeat(100_000), message: "nested deeper than 32" },
    {
      name: "of many values",
      body: `[${"1,".repeat(100_000)}1]`,
      message: "more than 8192 elements",
    },
    { name: "of many keys", body: `{${'"a":1,'.repeat(100_000)}"b":1}`, message: "8192 elements" },
    { name: "long", body: " ".repeat(16_777_217), message: "longer than 16777216 bytes" },
  ])("a request that is $name is refused before it is parsed", async ({ body, message }) => {
    const response = await rig.post("/devices/swap", body);

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: expect.stringContaining(message) });
  });

  test("metrics are for all callers, devices are asked for by the methods they have", async () => {
    expect((await rig.ask("/metrics", { headers: { origin: "https://app.example" } })).status).toBe(
      200,
    );
    expect((await rig.ask("/devices", { headers: { origin: "https://app.example" } })).status).toBe(
      403,
    );
    expect((await rig.post("/devices", "{}")).status).toBe(405);
    expect((await rig.ask("/nothing")).status).toBe(404);
    expect((await rig.ask("/devices/swaps/1")).status).toBe(404);
    expect((await rig.post("/devices/swap", "no json")).status).toBe(400);
  });
});
