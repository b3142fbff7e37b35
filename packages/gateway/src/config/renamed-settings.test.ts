import { expect, test } from "vitest";
import { withCurrentNames } from "./renamed-settings.ts";

function renamed(options: unknown) {
  const warnings: string[] = [];
  return { options: withCurrentNames(options, (line) => void warnings.push(line)), warnings };
}

test("a setting under its old name has the new one, with a line of warning", () => {
  const models = [{ name: "a" }, { name: "b", repeatable: false }];

  expect(renamed({ models })).toEqual({
    options: { models: [{ name: "a" }, { name: "b", idempotent: false }] },
    warnings: ["models[1].repeatable is called idempotent now: rename it"],
  });
});

test("a setting of a section that is no list is renamed, too", () => {
  expect(renamed({ pictures: { maxPixels: 1, alsoFormats: ["tiff"] } })).toEqual({
    options: { pictures: { maxPixels: 1, additionalFormats: ["tiff"] } },
    warnings: ["pictures.alsoFormats is called additionalFormats now: rename it"],
  });
});

test("a setting of routing is renamed, too", () => {
  expect(renamed({ routing: { returningMs: 500 } })).toEqual({
    options: { routing: { halfOpenMs: 500 } },
    warnings: ["routing.returningMs is called halfOpenMs now: rename it"],
  });
});

test("where both names are given the old one stays, to be rejected", () => {
  const models = [{ name: "a", repeatable: false, idempotent: true }];

  expect(renamed({ models })).toEqual({ options: { models }, warnings: [] });
});

test.each([undefined, 1, {}, { models: 1 }, { models: [1] }])("%j is left as it is", (options) => {
  expect(renamed(options)).toEqual({ options, warnings: [] });
});
