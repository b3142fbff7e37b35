import { type Arm, armOf, closeIfOver } from "./arms.ts";
import { badness, costBounds, type Found, stallMs } from "./finding.ts";

/** What a search has found so far. */
export interface Findings {
  /** Keeps the worst of its target and site. */
  note(found: Found): void;
  /** How long a stall must be to be noted, in milliseconds. */
  minStallMs(arm: Arm): number;
  noteStall(arm: Arm, found: Found): void;
  worst(): readonly Found[];
  stalls(): readonly Found[];
}

export function createFindings(
  arms: ReadonlyMap<string, Arm>,
  onWorse: (found: Found) => void,
): Findings {
  const worst = new Map<string, Found>();
  const stalls = new Map<Arm, Found>();

  function minStallMs(arm: Arm): number {
    const longest = stalls.get(arm);
    return longest ? stallMs(longest) * 1.05 : costBounds.maxStallMs;
  }

  return {
    minStallMs,
    note: (found) => {
      const { target, recipe } = found;
      const arm = armOf(arms, target, recipe);
      if (arm) closeIfOver(arm, found);
      const name = `${target.name} | ${recipe.site.name}`;
      const before = worst.get(name);
      if (before && badness(before) >= badness(found)) return;
      worst.set(name, found);
      onWorse(found);
    },
    noteStall: (arm, found) => {
      if (stallMs(found) > minStallMs(arm)) stalls.set(arm, found);
    },
    worst: () => [...worst.values()],
    stalls: () => [...stalls.values()],
  };
}
