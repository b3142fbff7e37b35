import fc from "fast-check";
import { expect, test } from "vitest";
import type { DeviceReport } from "./device.ts";
import { planSwap } from "./plan-swap.ts";
import { SwapRefusedError, type SwapRequest } from "./swap-request.ts";

const device = (number: number, model: string | undefined, more: Partial<DeviceReport> = {}) =>
  ({
    id: `h:${number}#1`,
    address: `h:${number}`,
    alias: `r-${number}`,
    region: "r",
    models: ["a", "b"],
    isOut: false,
    ...(model === undefined ? { state: "unprogrammed" } : { state: "ready", model }),
    ...more,
  }) satisfies DeviceReport;

function plan(request: SwapRequest, devices: readonly DeviceReport[]) {
  const count = (model: string, except: ReadonlySet<string>) =>
    devices.filter((each) => each.model === model && !each.isOut && !except.has(each.id)).length;
  const { devices: planned, already } = planSwap(request, devices, count);
  return { planned: planned.map(({ alias }) => alias), already };
}

test("one device holds the model in the end, unless more are asked for", () => {
  const devices = [device(1, "a"), device(2, "a"), device(3, "b")];

  expect(plan({ model: "b" }, devices)).toEqual({ planned: [], already: ["r-3"] });
  expect(plan({ model: "b", count: 2 }, devices)).toEqual({ planned: ["r-1"], already: ["r-3"] });
});

test("the most redundant devices come first: out of rotation, empty, then by other replicas", () => {
  const devices = [
    device(1, "a"),
    device(2, "c"),
    device(3, "c"),
    device(4, "c"),
    device(5, undefined),
    device(6, "b", { isOut: true }),
  ];

  expect(plan({ model: "b", count: 3, floor: 0 }, devices).planned).toEqual(["r-6", "r-5", "r-2"]);
});

test("devices are named by alias or address", () => {
  const devices = [device(1, "a"), device(2, "a"), device(3, "a")];

  expect(plan({ model: "b", replicas: ["r-3", "h:1", "r-3"] }, devices).planned).toEqual([
    ...["r-3", "r-1"],
  ]);
});

test.each<{ request: SwapRequest; devices: readonly DeviceReport[]; reason: string }>([
  { request: { model: "x" }, devices: [device(1, "a")], reason: "unknown" },
  { request: { model: "b", replicas: ["r-9"] }, devices: [device(1, "a")], reason: "unknown" },
  { request: { model: "b", count: 3 }, devices: [device(1, "a")], reason: "unknown" },
  { request: { model: "b" }, devices: [device(1, "a")], reason: "floor" },
  {
    request: { model: "b", replicas: ["r-1", "r-2"] },
    devices: [device(1, "a"), device(2, "a")],
    reason: "floor",
  },
  {
    request: { model: "b" },
    devices: [device(1, undefined, { state: "unreachable" })],
    reason: "unreachable",
  },
])("$request is rejected: $reason", ({ request, devices, reason }) => {
  expect(() => plan(request, devices)).toThrow(SwapRefusedError);
  expect(() => plan(request, devices)).toThrow(expect.objectContaining({ reason }));
});

test("a device out of rotation may unload its model", () => {
  expect(plan({ model: "b" }, [device(1, "a", { isOut: true })]).planned).toEqual(["r-1"]);
});

test("no plan leaves a model below the floor", () => {
  const held = fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined });
  fc.assert(
    fc.property(
      fc.array(held, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 3 }),
      (models, count, floor) => {
        const devices = models.map((model, index) => device(index, model));
        let planned: readonly string[];
        try {
          ({ planned } = plan({ model: "b", count, floor }, devices));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(SwapRefusedError);
          return;
        }
        for (const model of ["a", "c"]) {
          const ofModel = devices.filter((each) => each.model === model);
          const left = ofModel.filter(({ alias }) => !planned.includes(alias));
          expect(left.length === ofModel.length || left.length >= floor).toBe(true);
        }
      },
    ),
  );
});
