import type { Clock } from "@tensorgate/core";
import { late } from "./late.ts";
import type { UnaryMethod } from "./unary-method.ts";

/** Makes a method answer as one would that is `roundTripMs` away: errors too, and work is not held up meanwhile. */
export function distance(roundTripMs: number, clock: Clock): (near: UnaryMethod) => UnaryMethod {
  if (roundTripMs === 0) return (near) => near;
  return (near) => ({
    ...near,
    method: (...call) => late(roundTripMs, clock, async () => near.method(...call)),
  });
}
