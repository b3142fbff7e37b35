import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { mutated } from "./mutant.ts";
import { mutants } from "./table.ts";

const inTree = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));

test.each(mutants)("$name changes a line that is there once", (mutant) => {
  const source = readFileSync(inTree(mutant.file), "utf8");

  expect(mutated(mutant, source)).not.toBe(source);
  expect(mutant.tests.filter((file) => !existsSync(inTree(file)))).toEqual([]);
});

test("there are at least sixty mutants, each with its name", () => {
  const names = mutants.map(({ name }) => name);

  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(60);
});
