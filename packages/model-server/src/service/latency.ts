import type { Clock } from "@tensorgate/core";
import type { UnaryMethod } from "./unary-method.ts";

/** Adds `roundTripMs` to a method, as a server that far away has it: to errors too, and without holding up its work. */
export function addLatency(
  roundTripMs: number,
  clock: Clock,
): (method: UnaryMethod) => UnaryMethod {
  if (roundTripMs === 0) return (method) => method;
  return (method) => ({
    ...method,
    method: (...call) => withDelay(roundTripMs, clock, async () => method.method(...call)),
  });
}

/** Settles as `work` does, `delayMs` later; failures are delayed as well. */
export async function withDelay<Value>(
  delayMs: number,
  clock: Clock,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } finally {
    await new Promise<void>((resolve) => {
      clock.setTimer(delayMs, resolve);
    });
  }
}
