import { expect, test } from "vitest";
import { regionsInOrder, roundTripMs } from "./region-choice.ts";

const all = ["southeastasia", "eastus", "westeurope", "westus2"];

test("the own region comes first, then the others by their distance", () => {
  expect(regionsInOrder(all, "westeurope", {})).toEqual([
    "westeurope",
    "eastus",
    "westus2",
    "southeastasia",
  ]);
});

test("the region that the caller wishes for comes before all", () => {
  expect(regionsInOrder(all, "westeurope", { region: "westus2" })[0]).toBe("westus2");
});

test("residency is never left, whatever the wish", () => {
  const wishes = { region: "westus2", residency: ["eastus"] };

  expect(regionsInOrder(all, "westeurope", wishes)).toEqual(["eastus"]);
  expect(regionsInOrder(all, "westeurope", { residency: [] })).toEqual([]);
});

test("a region that the table does not know is the farthest", () => {
  expect(regionsInOrder(["mars", ...all], "westeurope", {}).at(-1)).toBe("mars");
  expect(roundTripMs("eastus", "westeurope")).toBe(roundTripMs("westeurope", "eastus"));
});
