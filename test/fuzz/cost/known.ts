import { readFileSync } from "node:fs";
import type { Recipe } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import { costTargets } from "./targets.ts";

/** A body that once cost too much, or stopped the loop for too long. */
export interface Known {
  readonly target: CostTarget;
  readonly recipe: Recipe;
}

interface KnownNames {
  readonly target: string;
  readonly site: string;
  readonly unit: readonly string[];
}

/**
 * The worst that was ever found, by name.
 *
 * @throws Error if a target, a site or a piece is not there any more
 */
export function knownBodies(): readonly Known[] {
  const names: readonly KnownNames[] = JSON.parse(
    readFileSync(new URL("known.json", import.meta.url), "utf8"),
  );
  return names.map((each) => {
    const target = found(costTargets, each.target);
    const site = found(target.sites, each.site);
    return { target, recipe: { site, unit: each.unit.map((name) => found(site.pieces, name)) } };
  });
}

function found<Named extends { readonly name: string }>(
  all: readonly Named[],
  wanted: string,
): Named {
  const one = all.find(({ name }) => name === wanted);
  if (one) return one;
  throw new Error(
    `nothing is called ${wanted}; there are: ${all.map(({ name }) => name).join(" | ")}`,
  );
}
