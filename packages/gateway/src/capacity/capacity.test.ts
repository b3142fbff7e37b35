import type { DeviceCapacity } from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createCapacity } from "./capacity.ts";

const devices = (freeCount: number): readonly DeviceCapacity[] => [
  { resource: "xilinx.com/fpga", regions: [{ name: "eastus", freeCount, totalCount: 2 }] },
];

/** Free devices whose reads a test ends itself. */
function start() {
  const clock = manualClock();
  const reads: PromiseWithResolvers<readonly DeviceCapacity[]>[] = [];
  const signals: AbortSignal[] = [];
  const capacity = createCapacity(
    { resources: ["xilinx.com/fpga"], minIntervalMs: 30_000 },
    {
      clock,
      read: (_resources, signal) => {
        const read = Promise.withResolvers<readonly DeviceCapacity[]>();
        signal.addEventListener("abort", () => read.reject(signal.reason));
        reads.push(read);
        signals.push(signal);
        return read.promise;
      },
    },
  );
  return { capacity, clock, reads, signals };
}

test("those who ask share a read, and later ones too until it is old", async () => {
  const { capacity, clock, reads } = start();
  expect(capacity.current()).toEqual({ devices: [] });
  expect(reads).toHaveLength(0);

  const both = [capacity.refresh(), capacity.refresh()];
  reads[0]?.resolve(devices(1));
  await Promise.all(both);
  clock.advance(29_999);
  await capacity.refresh();
  expect(reads).toHaveLength(1);
  expect(capacity.current()).toEqual({ devices: devices(1), ageMs: 29_999 });

  clock.advance(1);
  const later = capacity.refresh();
  reads[1]?.resolve(devices(0));
  await later;
  expect(capacity.current()).toEqual({ devices: devices(0), ageMs: 0 });
});

test("a status does not wait longer than two seconds for a slow API server", async () => {
  const { capacity, clock, reads } = start();
  const asked = capacity.refresh();
  clock.advance(2_000);
  await asked;
  expect(capacity.current()).toEqual({ devices: [] });

  reads[0]?.resolve(devices(2));
  await capacity.refresh();
  expect(capacity.current()).toEqual({ devices: devices(2), ageMs: 0 });
});

test("what was read stays with the reason why nothing newer is, and failures are not repeated immediately", async () => {
  const { capacity, clock, reads } = start();
  const first = capacity.refresh();
  reads[0]?.resolve(devices(1));
  await first;
  clock.advance(30_000);
  const second = capacity.refresh();
  reads[1]?.reject(new Error("the API server answers 500"));
  await second;
  await capacity.refresh();

  expect(reads).toHaveLength(2);
  expect(capacity.current()).toEqual({
    devices: devices(1),
    ageMs: 30_000,
    because: "the API server answers 500",
  });
});

test("a read that takes too long, or is open while the gateway closes, is ended", async () => {
  const { capacity, clock, signals } = start();
  void capacity.refresh();
  clock.advance(60_000);
  await capacity.refresh();
  expect(capacity.current().because).toBe("nodes and pods could not be read within 60 s");

  const last = capacity.refresh();
  capacity.close();
  await last;
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test("outside of Kubernetes the status says so", async () => {
  const capacity = createCapacity({ resources: ["a/b"] }, { clock: manualClock() });
  await capacity.refresh();
  await capacity.refresh();

  expect(capacity.current()).toEqual({
    devices: [],
    because: "the gateway runs outside of Kubernetes",
  });
});
