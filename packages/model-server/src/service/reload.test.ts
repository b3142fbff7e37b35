import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { grpcCode } from "@tensorgate/grpc";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startModelServer } from "../model-server.ts";
import type { ModelServerOptions } from "../model-server-options.ts";
import {
  addHalfPlusTwo,
  createObservedClock,
  createServingCaller,
  type ListedModel,
} from "../testing.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-reload-"));
const base = (name: string) => ({ name, basePath: join(folder, name), modelPlatform: "onnx" });
addHalfPlusTwo(folder, "a");
addHalfPlusTwo(folder, "b");
addHalfPlusTwo(folder, "broken");
writeFileSync(join(folder, "broken", "1", "model.onnx"), "no model");
afterAll(() => rmSync(folder, { recursive: true }));

async function started(options: Partial<ModelServerOptions> = {}) {
  const clock = createObservedClock();
  const server = await startModelServer(
    { port: 0, models: { directory: folder }, device: { kind: "exclusive" }, ...options },
    clock,
  );
  const caller = createServingCaller(server.port);
  return {
    server,
    clock,
    caller,
    [Symbol.asyncDispose]: async () => {
      caller[Symbol.dispose]();
      await server.close(0);
    },
  };
}

const x = { x: [1, 2, 5] };
const justA = { name: "a", basePath: join(folder, "a") };

test("a swap as a caller sees it", async () => {
  await using running = await started();
  const { server, clock, caller } = running;
  expect(await caller.predict("a", x)).toMatchObject({ values: [2.5, 3, 4.5] });
  expect(server.models).toEqual([{ name: "a", version: 1n }]);

  const reloaded = caller.reload([base("b")]);
  await clock.pending([2_000]);
  expect(await caller.states("b")).toEqual(["1 LOADING"]);
  expect(await caller.states("a")).toEqual(["1 END"]);
  for (const name of ["a", "b"]) {
    await expect(caller.predict(name, x)).rejects.toMatchObject({
      code: grpcCode.NOT_FOUND,
      details: `Servable not found for request: Latest(${name})`,
    });
  }

  clock.advance(2_000);

  expect(await reloaded).toMatchObject({ errorCode: 0, errorMessage: "" });
  expect(await caller.states("b")).toEqual(["1 AVAILABLE"]);
  expect(await caller.predict("b", x)).toMatchObject({ values: [2.5, 3, 4.5] });
  expect(server.models).toEqual([{ name: "b", version: 1n }]);
});

test("a device may start empty, and say UNAVAILABLE during a swap", async () => {
  await using running = await started({
    device: { kind: "exclusive", startWith: false, duringSwap: "unavailable", reconfigureMs: 50 },
  });
  const { clock, caller } = running;
  await expect(caller.states("a")).rejects.toMatchObject({ code: grpcCode.NOT_FOUND });
  await expect(caller.predict("a", x)).rejects.toMatchObject({ code: grpcCode.NOT_FOUND });

  const reloaded = caller.reload([base("a")]);
  await clock.pending([50]);
  await expect(caller.predict("a", x)).rejects.toMatchObject({
    code: grpcCode.UNAVAILABLE,
    details: "model a is being swapped",
  });
  clock.advance(50);

  expect(await reloaded).toMatchObject({ errorCode: 0 });
});

test("a model that cannot be loaded is reported in the answer and in its state", async () => {
  await using running = await started();
  const { clock, caller } = running;
  const reloaded = caller.reload([base("broken"), base("b")]);
  await clock.pending([2_000]);
  clock.advance(2_000);

  const status = await reloaded;
  expect(status).toMatchObject({ errorCode: grpcCode.INTERNAL });
  expect(await caller.states("broken")).toEqual([`1 END ${status?.errorMessage}`]);
  expect(await caller.states("b")).toEqual([
    "1 END the device holds one model at a time, and broken version 1 has it",
  ]);
});

test("without a device models are added, kept and removed", async () => {
  await using running = await started({
    device: { kind: "shared" },
    reloadFolders: [folder],
    models: [justA, { counter: true }],
  });
  const { server, caller } = running;
  await caller.predict("counter");

  expect(await caller.reload([base("b"), { name: "counter" }])).toMatchObject({ errorCode: 0 });

  expect(server.models.map(({ name }) => name)).toEqual(["counter", "b"]);
  expect(await caller.states("a")).toEqual(["1 END"]);
  expect(await caller.predict("counter")).toEqual({ values: [2], version: 123n });
});

test("a new version replaces the old one", async () => {
  addHalfPlusTwo(folder, "growing");
  await using running = await started({
    device: { kind: "shared" },
    models: { name: "growing", basePath: join(folder, "growing") },
  });
  const { caller } = running;
  addHalfPlusTwo(folder, "growing", "2");

  expect(await caller.reload([base("growing")])).toMatchObject({ errorCode: 0 });

  expect(await caller.states("growing")).toEqual(["2 AVAILABLE", "1 END"]);
  expect(await caller.predict("growing", x)).toMatchObject({ version: 2n });
});

test("what is not there is reported, and the others are loaded", async () => {
  await using running = await started({
    device: { kind: "shared" },
    models: justA,
    reloadFolders: [folder],
  });
  const { server, caller } = running;

  await expect(caller.reload([base("missing"), base("b"), base("broken")])).rejects.toMatchObject({
    code: grpcCode.UNKNOWN,
    details: expect.stringMatching(
      /^2 model\(s\) did not become available: \{\{\{name: missing\} due to error: FAILED_PRECONDITION: .* has no version of model "missing".*\}, \{\{name: broken version: 1\} due to error: INTERNAL: .*\}, \}$/,
    ),
  });
  expect(server.models).toEqual([{ name: "b", version: 1n }]);
});

interface Refused {
  readonly list: readonly ListedModel[];
  readonly code: number;
  readonly text: string;
}

describe("a list that cannot be right", () => {
  let running: Awaited<ReturnType<typeof started>>;
  beforeAll(async () => {
    running = await started();
  });
  afterAll(() => running[Symbol.asyncDispose]());

  test.each<Refused>([
    {
      list: [{ name: "x", basePath: "/etc" }],
      code: grpcCode.PERMISSION_DENIED,
      text: "is not below a folder",
    },
    { list: [base("a"), base("a")], code: 3, text: "Illegal to list model a multiple times" },
    { list: [{ ...base("a"), name: "" }], code: 3, text: "has no name" },
    { list: [{ name: "unknown" }], code: 3, text: "no base path" },
    { list: [{ name: "a", basePath: "a" }], code: 3, text: "to have an absolute path" },
    {
      list: [{ ...base("a"), modelPlatform: "caffe" }],
      code: 3,
      text: "requests unsupported platform caffe",
    },
    {
      list: [{ ...base("a"), versionLabels: { x: 2n } }],
      code: grpcCode.FAILED_PRECONDITION,
      text: "Request to assign label to version 2 of model a, which is not currently available",
    },
    {
      list: [{ ...base("a"), modelType: 1 }],
      code: 3,
      text: "Illegal setting both ModelServerConfig::model_type (deprecated) and",
    },
  ])("changes nothing: $text", async ({ list, code, text }) => {
    await expect(running.caller.reload(list)).rejects.toMatchObject({
      code,
      details: expect.stringContaining(text),
    });
    expect(running.server.models).toEqual([{ name: "a", version: 1n }]);
  });

  test("is no list", async () => {
    await expect(
      running.caller.call("ModelService/HandleReloadConfigRequest", new Uint8Array()),
    ).rejects.toMatchObject({
      code: grpcCode.INVALID_ARGUMENT,
      details: expect.stringContaining("ServerModelConfig type not supported"),
    });
  });
});

test("a device starts with the model that is named, and with no other", async () => {
  await using running = await started({ device: { kind: "exclusive", startWith: "b" } });
  expect(running.server.models).toEqual([{ name: "b", version: 1n }]);

  await expect(started({ device: { kind: "exclusive", startWith: "nobody" } })).rejects.toThrow(
    'unknown model "nobody"; models: a, b',
  );
});

test("a server that closes does not wait for a reload", async () => {
  const { server, clock, caller } = await started();
  const reloaded = caller.reload([base("b")]);
  reloaded.catch(() => {});
  await clock.pending([2_000]);

  await server.close(3_600_000);

  expect(await reloaded).toMatchObject({ errorCode: grpcCode.UNAVAILABLE });
  caller[Symbol.dispose]();
});
