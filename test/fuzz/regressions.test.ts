import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "./mutate.ts";
import { type FuzzGateway, startFuzzGateway } from "./send.ts";
import { targets } from "./targets.ts";

/** What `npm run fuzz` has found, as it was found or made smaller. */
const regressions: readonly {
  readonly about: string;
  readonly target: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bytes: string;
}[] = JSON.parse(readFileSync(new URL("regressions.json", import.meta.url), "utf8"));

let gateway: FuzzGateway;
beforeAll(async () => {
  gateway = await startFuzzGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

test.each(regressions)("$target: $about", async ({ target: name, bytes, about: _, ...input }) => {
  const target = targets.find((each) => each.name === name);

  await target?.run({ ...input, bytes: Buffer.from(bytes, "base64") }, gateway);

  expect(target).toBeDefined();
  expect(gateway.takeFaults()).toEqual([]);
  await gateway.assertWell();
});

test.each(targets)(
  "$name makes the same input of the same seed, and another of another",
  (target) => {
    const bytes = (seed: number) => target.input(seededRandom(seed)).bytes.toString("base64");

    expect(bytes(1)).toBe(bytes(1));
    expect(new Set([1, 2, 3, 4, 5].map(bytes)).size).toBeGreaterThan(1);
  },
);
