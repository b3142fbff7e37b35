import { grpcCode } from "@tensorgate/grpc";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { startModelServer } from "../model-server.ts";
import type { ModelServer } from "../model-server-options.ts";
import { createObservedClock, createServingCaller, type ServingCaller } from "../testing.ts";
import { faultsText } from "./fault-options.ts";
import { createFaultSwitch } from "./fault-switch.ts";

const predictPath = "/tensorflow.serving.PredictionService/Predict";
const statusPath = "/tensorflow.serving.ModelService/GetModelStatus";
const drop = { kind: "drop" } as const;

describe("which requests are struck", () => {
  const pattern = (seed: number) => {
    const { strike } = createFaultSwitch({ seed, requests: [{ fault: drop, share: 0.3 }] });
    return Array.from({ length: 1_000 }, () => strike(predictPath) !== undefined);
  };

  test("a share of them, the same ones for the same seed", () => {
    const struck = pattern(1).filter(Boolean).length;

    expect(struck).toBeGreaterThan(250);
    expect(struck).toBeLessThan(350);
    expect(pattern(1)).toEqual(pattern(1));
    expect(pattern(2)).not.toEqual(pattern(1));
  });

  test("the next ones, then those of the next rule", () => {
    const reset = { kind: "reset" } as const;
    const { strike } = createFaultSwitch({
      requests: [
        { fault: drop, next: 2 },
        { fault: reset, next: 1 },
      ],
    });

    expect(Array.from({ length: 4 }, () => strike(predictPath)?.kind)).toEqual([
      "drop",
      "drop",
      "reset",
      undefined,
    ]);
  });

  test("Predict alone, unless all calls are meant", () => {
    expect(createFaultSwitch({ requests: [{ fault: drop }] }).strike(statusPath)).toBeUndefined();
    const { strike } = createFaultSwitch({ requests: [{ fault: drop, calls: "all" }] });
    expect(strike(statusPath)).toEqual(drop);
  });

  test("loads fail as often as they shall", async () => {
    const { beforeLoad } = createFaultSwitch({ failLoads: 1 });
    const { signal } = new AbortController();

    await expect(beforeLoad(signal)).rejects.toMatchObject({ grpcCode: grpcCode.INTERNAL });
    await expect(beforeLoad(signal)).resolves.toBeUndefined();
  });
});

test.each([
  { options: { requests: [{ fault: drop, share: 2 }] }, text: "share" },
  { options: { requests: [{ fault: drop, next: 0.5 }] }, text: "next" },
  { options: { requests: [{ fault: { kind: "delay", delayMs: -1 } as const }] }, text: "delayMs" },
  { options: { requests: [{ fault: { kind: "error", code: 0 } as const }] }, text: "code" },
  { options: { failLoads: -1 }, text: "failLoads" },
])("$text that cannot be is refused", ({ options, text }) => {
  expect(() => createFaultSwitch(options)).toThrow(text);
});

test("faults are written in one line, no faults in none", () => {
  expect(faultsText({})).toBeUndefined();
  expect(
    faultsText({
      seed: 7,
      failLoads: 1,
      stickLoads: 2,
      requests: [
        { fault: { kind: "delay", delayMs: 200 }, share: 0.1 },
        { fault: { kind: "error", code: 14 }, next: 3, calls: "all" },
      ],
    }),
  ).toBe(
    "fault injection is on, and responses are not to be relied on: responses delayed by 200 ms for 10 % of Predict; error 14 for 100 % of all calls, 3 times; 1 load to fail; 2 loads to stick in LOADING (seed 7)",
  );
});

describe("as a caller sees them", () => {
  const clock = createObservedClock();
  const onWarning = vi.fn();
  let server: ModelServer;
  let caller: ServingCaller;

  beforeAll(async () => {
    server = await startModelServer({ port: 0, models: { counter: true }, onWarning }, clock);
    caller = createServingCaller(server.port);
  });
  afterEach(() => server.faults.clear());
  afterAll(async () => {
    caller[Symbol.dispose]();
    await server.close(0);
  });
  const count = async () => (await caller.predict("counter")).values[0] ?? Number.NaN;

  test("an error, without having counted", async () => {
    const before = await count();
    const fault = { kind: "error", code: grpcCode.UNAVAILABLE, message: "not today" } as const;
    server.faults.set({ requests: [{ fault, next: 1 }] });

    await expect(count()).rejects.toMatchObject({ code: 14, details: "not today" });
    expect(await count()).toBe(before + 1);
    expect(onWarning).toHaveBeenCalledWith(expect.stringContaining("fault injection is on"));
  });

  test("bytes that are no message", async () => {
    server.faults.set({ requests: [{ fault: { kind: "garbage" }, next: 1 }] });

    await expect(count()).rejects.toThrow(/varint|message|field|range/i);
  });

  test("a connection that is reset, with a call that was waiting on it", async () => {
    server.faults.set({
      requests: [
        { fault: drop, next: 1 },
        { fault: { kind: "reset" }, next: 1 },
      ],
    });
    const dropped = count();
    const outcomes = await Promise.allSettled([dropped, count()]);

    expect(outcomes).toMatchObject([
      { status: "rejected", reason: { code: grpcCode.UNAVAILABLE } },
      { status: "rejected", reason: { code: grpcCode.UNAVAILABLE } },
    ]);
    using another = createServingCaller(server.port);
    expect(await another.predict("counter")).toMatchObject({ version: 123n });
  });

  test("a late answer, of a request that was counted immediately", async () => {
    const before = await count();
    server.faults.set({ requests: [{ fault: { kind: "delay", delayMs: 200 }, next: 1 }] });
    const late = count();
    await clock.pending([200]);
    expect(await count()).toBe(before + 2);

    clock.advance(200);

    expect(await late).toBe(before + 1);
  });
});
