import { type RunSmokeTest, UpstreamFailedError } from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createGoldenChecks } from "./golden-checks.ts";
import type { Golden } from "./golden-pictures.ts";

const golden: Golden = {
  pictures: ["cat", "dog"].map((label) => ({
    file: `${label}.jpg`,
    label,
    bytes: new TextEncoder().encode(label),
  })),
  minShare: 1,
  everyMs: 60_000,
};

/** A replica that says what is in `says`, or fails. */
function replica() {
  const clock = manualClock();
  const says: Record<string, string | undefined> = { cat: "cat", dog: "dog" };
  let askedCount = 0;
  const runSmokeTest: RunSmokeTest = async ({ picture }) => {
    askedCount += 1;
    const label = says[new TextDecoder().decode(picture)];
    if (label === undefined) throw new UpstreamFailedError("broken");
    return { kind: "label", label };
  };
  const verify = createGoldenChecks(clock);
  const score = async () => {
    throw new Error("not called");
  };
  /** Verifies, and again when the pictures were scored. */
  const verified = async (of: Golden | undefined = golden, versions = [1n]) => {
    const probe = () => verify(of, { model: "m", replicaId: "r", versions, score }, runSmokeTest);
    const first = probe();
    await new Promise<void>((done) => setImmediate(done));
    return [first, probe()];
  };
  return { clock, says, verified, askedCount: () => askedCount };
}

const scoring = "its golden pictures are being scored";

test("a replica is not ready until its pictures were scored, and then only if they have their labels", async () => {
  const { says, verified } = replica();
  expect(await verified()).toEqual([scoring, undefined]);
  says["dog"] = "cow";
  expect(await verified(golden, [2n])).toEqual([
    scoring,
    "1 of 2 golden pictures has another label: dog.jpg is cow, expected dog",
  ]);
  expect(await verified({ ...golden, minShare: 0.5 }, [2n])).toEqual([scoring, undefined]);
  says["dog"] = undefined;
  expect((await verified(golden, [3n]))[1]).toBe("a golden picture cannot be scored: broken");
});

test("it is asked again now and then, and serves meanwhile; one that failed is asked soon", async () => {
  const { clock, says, verified, askedCount } = replica();
  await verified();
  await verified();
  expect(askedCount()).toBe(2);
  clock.advance(60_000);
  says["cat"] = "fox";
  expect(await verified()).toEqual([undefined, expect.stringMatching(/cat.jpg is fox/)]);
  says["cat"] = "cat";
  clock.advance(4_999);
  expect((await verified())[0]).toMatch(/cat.jpg is fox/);
  clock.advance(1);
  expect(await verified()).toEqual([expect.stringMatching(/cat.jpg is fox/), undefined]);
});

test("a model without pictures is not asked", async () => {
  const { verified, askedCount } = replica();
  expect(await verified()).toEqual([scoring, undefined]);
  expect(await verified({ ...golden, pictures: golden.pictures.slice(0, 1) })).toEqual([
    scoring,
    undefined,
  ]);
  expect(askedCount()).toBe(3);
});
