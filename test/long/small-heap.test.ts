import { execFile } from "node:child_process";
import { promisify } from "node:util";
import v8 from "node:v8";
import { expect, onTestFinished, test, vi } from "vitest";
import { keepHeapSmall } from "../../packages/cli/src/service/small-heap.ts";

/** Makes objects that live long, then 100 that do not, and prints how many of these outlive two cheap collections. */
const countSurvivors = `
  const make = (number) => ({ number, inner: { number } });
  // A WeakRef holds what it was asked for until the turn of the event loop is over; setImmediate is not always enough.
  const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 2));
  let kept = [];
  for (let round = 0; round < 40; round += 1) {
    for (let number = 0; number < 20_000; number += 1) kept.push(make(number));
    if (round % 2 === 1) kept = [];
    await nextTurn();
  }
  const made = [];
  for (let turn = 0; turn < 20; turn += 1) {
    for (let number = 0; number < 5; number += 1) made.push(new WeakRef(make(number)));
    await nextTurn();
  }
  for (let age = 0; age < 2; age += 1) {
    gc({ type: "minor" });
    await nextTurn();
  }
  process.stdout.write(String(made.filter((each) => each.deref() !== undefined).length));
`;

/** Makes objects that become old and die, beside others that live on, and prints how many times as much the heap held. */
const measureGrowth = `
  import v8 from "node:v8";
  const make = (count) => Array.from({ length: count }, (_, number) => ({ number, inner: { number } }));
  const usedBytes = () => v8.getHeapStatistics().used_heap_size;
  globalThis.live = make(300_000);
  gc();
  const liveBytes = usedBytes();
  const latest = [];
  let maxBytes = 0;
  for (let turn = 0; turn < 1_000; turn += 1) {
    latest.push(make(2_000));
    if (latest.length > 20) latest.shift();
    maxBytes = Math.max(maxBytes, usedBytes());
    // The collector's threads work in real time.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  process.stdout.write(String(maxBytes / liveBytes));
`;

const module = new URL("../../packages/cli/src/service/small-heap.ts", import.meta.url).href;
const keepingHeapSmall = `(await import(${JSON.stringify(module)})).keepHeapSmall();`;

/** @returns the number that a program prints, with a heap that V8 would let grow to several times of what lives */
async function printedBy(program: string): Promise<{ printed: number; stderr: string }> {
  const heap = ["--max-semi-space-size=1", "--max-old-space-size=4096"];
  const args = ["--expose-gc", ...heap, "--input-type=module", "--eval", program];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
  return { printed: Number(stdout), stderr };
}

test("objects that do not live long are collected cheaply, also after others of their place did", async () => {
  const [withIt, without] = await Promise.all([
    printedBy(keepingHeapSmall + countSurvivors),
    printedBy(countSurvivors),
  ]);

  expect(withIt.stderr).toBe("");
  // Beside a few that the collector took for referred to.
  expect(withIt.printed).toBeLessThan(30);
  expect(without.printed).toBeGreaterThan(70);
});

test("the heap grows to little more than twice of what lives", async () => {
  const [withIt, without] = await Promise.all([
    printedBy(keepingHeapSmall + measureGrowth),
    printedBy(measureGrowth),
  ]);

  expect(withIt.stderr).toBe("");
  expect(withIt.printed).toBeLessThan(3);
  // How much more depends on how fast the machine collects.
  expect(without.printed).toBeGreaterThan(1.2 * withIt.printed);
});

test.each([
  { limitMiB: 4_096, growth: ["--heap-growing-percent=100"] },
  { limitMiB: 1_024, growth: [] },
])("a heap that is short anyway is left to V8: $limitMiB MiB", ({ limitMiB, growth }) => {
  const statistics = { ...v8.getHeapStatistics(), heap_size_limit: limitMiB * 2 ** 20 };
  vi.spyOn(v8, "getHeapStatistics").mockReturnValue(statistics);
  const setFlags = vi.spyOn(v8, "setFlagsFromString").mockReturnValue();
  onTestFinished(() => void vi.restoreAllMocks());

  keepHeapSmall();

  expect(setFlags.mock.calls.flat()).toEqual(["--no-allocation-site-pretenuring", ...growth]);
});
