import { shortestFloat32 } from "@tensorgate/core";

/** A float32 as the shortest JSON number that reads back as the same; JSON knows no NaN and no infinity, so these are `null`. */
export function float32Json(value: number): string {
  if (!Number.isFinite(value)) return "null";
  const shortest = shortestFloat32(value);
  return Object.is(shortest, -0) ? "-0" : String(shortest);
}
