import { expect, test } from "vitest";
import { seededRoundTripMs } from "./settings.ts";

test.each([
  { from: "eastus", to: "eastus", ms: 0.4, because: "within a region it is next to nothing" },
  { from: "westeurope", to: "eastus", ms: 90, because: "the table works in both directions" },
  { from: "eastus", to: "mars", ms: 1_000, because: "an unknown region counts as far away" },
  { from: "eastus", to: "berlin", ms: 110, because: "the configuration may know it" },
])("$from to $to takes $ms ms: $because", ({ from, to, ms }) => {
  expect(seededRoundTripMs(from, to, { berlin: 110 })).toBe(ms);
});
