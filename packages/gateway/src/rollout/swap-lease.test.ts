import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "@tensorgate/core/testing";
import { expect, onTestFinished, test } from "vitest";
import { createSwapLease } from "./swap-lease.ts";

function leases() {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-lease-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const clock = manualClock();
  const file = join(folder, "rollouts.json.swaps");
  const leaseOf = (holder: string) => createSwapLease(file, { holder, silentMs: 15_000, clock });
  return { folder, file, clock, a: leaseOf("a"), b: leaseOf("b"), c: leaseOf("c") };
}

test("one gateway has the lease, as long as it gives signs", async () => {
  const { clock, a, b } = leases();
  expect(await a.hold()).toBe(true);
  for (let second = 0; second < 60; second += 1) {
    clock.advance(1_000);
    expect([await a.hold(), await b.hold()]).toEqual([true, false]);
  }
});

test("a gateway that gives no sign loses it, and does not get it back by itself", async () => {
  const { folder, clock, a, b } = leases();
  await a.hold();
  expect(await b.hold()).toBe(false);
  clock.advance(14_999);
  expect(await b.hold()).toBe(false);
  clock.advance(1);
  expect(await b.hold()).toBe(true);
  expect(await a.hold()).toBe(false);
  expect(readdirSync(folder)).toEqual(["rollouts.json.swaps"]);
});

test("a lease that is given back can be taken immediately, a damaged one after a while", async () => {
  const { file, clock, a, b, c } = leases();
  await a.hold();
  const late = a.hold();
  await a.release();
  await late;
  expect(await a.hold()).toBe(false);
  expect(await b.hold()).toBe(true);

  writeFileSync(file, "{");
  expect(await c.hold()).toBe(false);
  clock.advance(15_000);
  expect(await c.hold()).toBe(true);
});
