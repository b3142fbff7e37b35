import { expect, test } from "vitest";
import { CallStageTimes } from "./call.ts";

test("stages are listed in the order of a request, whatever the order in which they ended", () => {
  const times = new CallStageTimes();

  for (const stage of ["upstream", "post", "read", "queue"] as const) times.add(stage, 1);

  expect(times.entries.map(({ stage }) => stage)).toEqual(["read", "queue", "upstream", "post"]);
});

test("pictures of one call add up", () => {
  const times = new CallStageTimes();

  for (const durationMs of [1, 2, 3.5]) times.add("decode", durationMs);

  expect(times.entries).toEqual([{ stage: "decode", durationMs: 6.5 }]);
});

test.each([
  { first: undefined, second: undefined, costliest: undefined },
  { first: undefined, second: "hit", costliest: "hit" },
  { first: "miss", second: "hit", costliest: "miss" },
  { first: "coalesced", second: "miss", costliest: "miss" },
  { first: "coalesced", second: undefined, costliest: "coalesced" },
] as const)("of $first and $second the costlier outcome stays", ({ first, second, costliest }) => {
  const times = new CallStageTimes();

  times.add("cache", 1, first);
  times.add("cache", 1, second);

  expect(times.entries).toEqual([
    { stage: "cache", durationMs: 2, ...(costliest && { outcome: costliest }) },
  ]);
});
