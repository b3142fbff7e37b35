import type { Servable } from "../servable.ts";
import type { ConcurrencyLimiter } from "./concurrency.ts";

/** A servable that can be drained. */
export interface CountedServable extends Servable {
  /** Resolves when no request is running or queued. */
  drained(): Promise<void>;
}

/** Counts the requests of a servable, and runs them within a concurrency limit. */
export function countInFlight(servable: Servable, limiter: ConcurrencyLimiter): CountedServable {
  let inFlight = 0;
  let wake: (() => void)[] = [];
  return {
    ...servable,
    predict: async (request, isAbandoned) => {
      inFlight += 1;
      try {
        return await limiter.run(() => servable.predict(request, isAbandoned), isAbandoned);
      } finally {
        inFlight -= 1;
        if (inFlight === 0) {
          for (const each of wake) each();
          wake = [];
        }
      }
    },
    drained: async () => {
      if (inFlight > 0) await new Promise<void>((resolve) => wake.push(resolve));
    },
  };
}
