import { expect, test } from "vitest";
import { faults } from "./faults/all.ts";

const settings = { requests: 250, seed: 1, serviceMs: 8 };

test.each(faults)("$name: $about", async (fault) => {
  const result = await fault.run(settings);

  expect(result.missed, JSON.stringify(result)).toEqual([]);
});
