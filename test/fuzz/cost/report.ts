import { recipeName } from "./body.ts";
import type { Found } from "./search.ts";

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
