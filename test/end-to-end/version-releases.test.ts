import { expect, test } from "vitest";
import {
  classify,
  classModel,
  startBefore,
  startVersioned,
} from "../support/versioned-replicas.ts";

/** Version 2 has other labels. */
const model = classModel({ versions: [{ version: 2, labels: ["nil", "uno", "due"] }] });
const labelOf: Readonly<Record<string, string>> = { 1: "one", 2: "uno" };

test("each version is read by its own labels, and a call that names none gets the highest there is", async () => {
  await using replica = await startVersioned([1n]);
  await using running = await startBefore([replica], [model]);
  const answered = async (query = "") => {
    const { version, label } = await classify(running.url, query);
    return [version, label];
  };
  expect(await answered()).toEqual(["1", "one"]);
  replica.rollOut([1n, 2n]);
  await expect.poll(() => answered()).toEqual(["2", "uno"]);
  expect(await answered("?version=1")).toEqual(["1", "one"]);
});

test("in the middle of a rollout no answer mixes two versions, and a shadow is read by its own labels", async () => {
  await using replica = await startVersioned([1n, 2n]);
  await using running = await startBefore([replica], [model]);
  const { rollouts } = running.gateway;
  await expect.poll(async () => (await classify(running.url)).version).toBe("2");
  rollouts.start("m", { from: "1", to: "2", steps: [50, 100] });
  const seen = new Set<string>();
  for (let call = 0; call < 60; call += 1) {
    const { version = "", label } = await classify(running.url);
    seen.add(version);
    expect(label).toBe(labelOf[version]);
  }
  expect(seen).toEqual(new Set(["1", "2"]));
  rollouts.command("m", "abort");

  rollouts.start("m", {
    to: "2",
    steps: [1, 100],
    abortIf: ["top1<0.9"],
    shadowShare: 1,
    minCalls: 5,
  });
  for (let call = 0; call < 100 && rollouts.list()[0]?.running; call += 1) {
    const { version = "", label } = await classify(running.url);
    expect(label).toBe(labelOf[version]);
  }
  await expect
    .poll(() => rollouts.list()[0]?.history.at(-1)?.text)
    .toMatch(/aborted: top1<90% holds: 0.0 %/);
  expect((await classify(running.url)).version).toBe("1");
});

test.each([
  { versions: [{ version: 1 }, { version: "1" }], says: /version 1 is listed twice/ },
  {
    versions: [{ version: 1, labels: ["a"], classCount: 2 }],
    says: /versions\.0\.labels.*classCount is 2/,
  },
])("versions that cannot be meant are refused: $says", async ({ versions, says }) => {
  await expect(startBefore([], [classModel({ versions })])).rejects.toThrow(says);
});
