import { setImmediate as nextLoopTurn } from "node:timers/promises";
import { shortestFloat32 } from "@tensorgate/core";

/** A float32 as the shortest JSON number that reads back as the same; JSON knows no NaN and no infinity, so these are `null`. */
export function float32Json(value: number): string {
  if (!Number.isFinite(value)) return "null";
  const shortest = shortestFloat32(value);
  return Object.is(shortest, -0) ? "-0" : String(shortest);
}

/** Values that are written until other work gets its turn on the event loop: about ten milliseconds' worth. */
export const valuesPerTurn = 8_192;

/**
 * A JSON array of float32, written piece by piece: a network may give millions of them.
 *
 * @param letOthers - lets other work happen in between
 */
export async function float32ArrayJson(
  values: Float32Array,
  letOthers: () => Promise<unknown> = () => nextLoopTurn(),
): Promise<string> {
  const pieces: string[] = [];
  for (let start = 0; start < values.length; start += valuesPerTurn) {
    if (start > 0) await letOthers();
    pieces.push(Array.from(values.subarray(start, start + valuesPerTurn), float32Json).join(","));
  }
  return `[${pieces.join(",")}]`;
}
