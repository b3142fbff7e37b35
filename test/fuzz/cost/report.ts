import { recipeName } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import { costBounds, type Found, isOver, stallMs } from "./finding.ts";
import type { SearchResult } from "./search.ts";

export function findingLine({ target, recipe, bytes, cost, ordinary, ...found }: Found): string {
  const columns = [
    `CPU ${found.cpuRatio.toFixed(1)} × (${cost.cpuMs.toFixed(1)} ms, a picture ${ordinary.cpuMs.toFixed(1)} ms)`,
    `memory ${found.memoryRatio.toFixed(1)} × (${mebibytes(cost.memoryBytes)})`,
    `stall ${Math.round(cost.stallMs)} ms`,
    `${mebibytes(bytes)} of ${target.name} | ${recipeName(recipe)}`,
  ];
  return `${cost.end === "answered" ? "" : `${cost.end.toUpperCase()}: `}${columns.join(", ")}`;
}

export function findingJson({ target, recipe, bytes, cost, ordinary, ...found }: Found): object {
  return {
    target: target.name,
    recipe: recipeName(recipe),
    bytes,
    cpuRatio: found.cpuRatio,
    memoryRatio: found.memoryRatio,
    ...cost,
    ordinary,
  };
}

const mebibytes = (bytes: number) =>
  bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;

interface ReportOptions {
  readonly seed: number;
  readonly targets: readonly CostTarget[];
}

/** What a search found: the time of each group, what is over the bounds, the worst of each target, and stalls. */
export function costReport(
  { worst, stalls, groups, bodyCount }: SearchResult,
  { seed, targets }: ReportOptions,
): readonly string[] {
  const byTarget = new Map<CostTarget, Found>();
  for (const found of worst) {
    const before = byTarget.get(found.target);
    if (!before || before.cpuRatio < found.cpuRatio) byTarget.set(found.target, found);
  }
  const over = worst.filter((found) => isOver(found, costBounds));
  const overTargets = new Set(over.map(({ target }) => target));
  return [
    "",
    `seed ${seed}: ${bodyCount} bodies for ${targets.length} targets, of which ${byTarget.size} were tried`,
    ...groups.map(groupLine),
    "",
    "the worst of each target:",
    ...[...byTarget.values()].map(findingLine),
    "",
    `the loop stood for more than ${costBounds.maxStallMs} ms:`,
    ...stalls.toSorted((a, b) => stallMs(b) - stallMs(a)).map(findingLine),
    "",
    "over the bounds, by site:",
    ...over.map(findingLine),
    "",
    `${overTargets.size} targets over ${costBounds.maxCpuRatio} × CPU or ${costBounds.maxMemoryRatio} × memory`,
  ];
}

function groupLine({ name, arms, spentMs, bodyCount }: SearchResult["groups"][number]): string {
  const screened = arms.filter(({ isScreened }) => isScreened).length;
  return `${name}: ${Math.round(spentMs / 1_000)} s, ${bodyCount} bodies, ${screened} of ${arms.length} sites screened`;
}
