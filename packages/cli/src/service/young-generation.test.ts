import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

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

async function survivorCount(first: string): Promise<{ count: number; stderr: string }> {
  const flags = ["--expose-gc", "--max-semi-space-size=1", "--input-type=module", "--eval"];
  const args = [...flags, first + countSurvivors];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
  return { count: Number(stdout), stderr };
}

test("objects that do not live long are collected cheaply, also after others of their place did", async () => {
  const module = new URL("./young-generation.ts", import.meta.url).href;
  const calling = `(await import(${JSON.stringify(module)})).keepAllocationsYoung();`;
  const [withIt, without] = await Promise.all([survivorCount(calling), survivorCount("")]);

  expect(withIt.stderr).toBe("");
  // Beside a few that the collector took for referred to.
  expect(withIt.count).toBeLessThan(30);
  expect(without.count).toBeGreaterThan(70);
});
