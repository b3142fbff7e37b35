import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "@tensorgate/core/testing";
import { expect, onTestFinished, test } from "vitest";
import { createSwapLease, type SwapLease } from "./swap-lease.ts";

function leases() {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-lease-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const clock = manualClock();
  const file = join(folder, "rollouts.json.swaps");
  const leaseOf = (holder: string) => createSwapLease(file, { holder, silentMs: 15_000, clock });
  /** Tries to take a lease, and again when that counts. */
  const taken = async (lease: SwapLease): Promise<boolean> => {
    expect(await lease.hold()).toBe(false);
    clock.advance(500);
    return lease.hold();
  };
  return { folder, file, clock, taken, a: leaseOf("a"), b: leaseOf("b"), c: leaseOf("c") };
}

/** Holds a lease after some turns of files. */
async function later(turns: number, lease: SwapLease): Promise<boolean> {
  for (let turn = 0; turn < turns; turn += 1) await stat(tmpdir());
  return lease.hold();
}

test("one gateway has the lease, as long as it gives signs", async () => {
  const { clock, taken, a, b } = leases();
  expect(await taken(a)).toBe(true);
  for (let second = 0; second < 60; second += 1) {
    clock.advance(1_000);
    expect([await a.hold(), await b.hold()]).toEqual([true, false]);
  }
});

test("a lease that was taken counts only when others that tried have ended", async () => {
  const { clock, a } = leases();
  expect(await a.hold()).toBe(false);
  clock.advance(499);
  expect(await a.hold()).toBe(false);
  clock.advance(1);
  expect(await a.hold()).toBe(true);
});

test("a gateway that gives no sign loses it, and does not get it back by itself", async () => {
  const { folder, clock, taken, a, b } = leases();
  await taken(a);
  expect(await b.hold()).toBe(false);
  clock.advance(14_999);
  expect(await taken(b)).toBe(false);
  expect(await taken(b)).toBe(true);
  expect(await taken(a)).toBe(false);
  expect(readdirSync(folder)).toEqual(["rollouts.json.swaps"]);
});

test("a lease that is given back can be taken immediately, a damaged one after a while", async () => {
  const { file, clock, taken, a, b, c } = leases();
  await taken(a);
  const late = a.hold();
  await a.release();
  await late;
  expect(await a.hold()).toBe(false);
  expect(await taken(b)).toBe(true);

  writeFileSync(file, "{");
  expect(await taken(c)).toBe(false);
  clock.advance(15_000);
  expect(await taken(c)).toBe(true);
});

test("a lease that is being created is not taken over, however long its reader has waited", async () => {
  const { file, clock, taken, a, b } = leases();
  clock.advance(60_000);
  // Created, and not written yet.
  writeFileSync(file, "");
  expect(await taken(b)).toBe(false);
  rmSync(file);
  expect(await taken(a)).toBe(true);
});

test("a holder that was stalled takes its own lease as any other gateway would", async () => {
  const { clock, taken, a, b } = leases();
  await taken(a);
  await b.hold();
  clock.advance(15_000);
  expect(await taken(a)).toBe(true);
  expect(await b.hold()).toBe(false);
});

test("of gateways that take a silent lease at the same moment one has it", async () => {
  for (let trial = 0; trial < 60; trial += 1) {
    const { folder, clock, taken, a, b, c } = leases();
    await taken(a);
    await Promise.all([b.hold(), c.hold()]);
    clock.advance(15_000);

    const tried = await Promise.all([a.hold(), later(trial % 5, b), later(trial % 7, c)]);
    clock.advance(500);
    const held = await Promise.all([a.hold(), later(trial % 3, b), later(trial % 2, c)]);

    expect(tried).toEqual([false, false, false]);
    expect(held.filter(Boolean)).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(["rollouts.json.swaps"]);
  }
});
