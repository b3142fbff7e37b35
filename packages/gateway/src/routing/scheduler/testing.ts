import type { Arrival } from "./events.ts";

/** A call of the model `m`, for tests. */
export const arrival = (id: number, more: Partial<Arrival> = {}): Arrival => ({
  id,
  model: "m",
  priority: "normal",
  deadlineMs: 60_000,
  isIdempotent: true,
  mayHedge: false,
  isForwarded: false,
  isTraced: false,
  ...more,
});
