import { expect, test } from "vitest";
import { buildBody, recipeName, simpleRecipes } from "./body.ts";
import { knownBodies } from "./known.ts";
import { costTargets } from "./targets.ts";

test("every body that was once found can still be made", () => {
  const lengths = knownBodies().map(({ recipe }) => buildBody(recipe, 10_000).length);

  expect(Math.min(...lengths)).toBeGreaterThan(9_000);
});

test("every simple body of every target is about as long as is asked for", () => {
  const tooLong = costTargets.flatMap(({ name, sites }) =>
    simpleRecipes(sites)
      .filter((recipe) => buildBody(recipe, 2_000).length > 3_000)
      .map((recipe) => `${name}: ${recipeName(recipe)}`),
  );

  expect(tooLong).toEqual([]);
});
