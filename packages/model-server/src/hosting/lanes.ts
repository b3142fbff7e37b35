import type { Clock } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";

export interface LanesOptions {
  /** Requests at the same time; the others wait, first come first served. */
  readonly count: number;
  /** How long a request keeps its lane after the engine is done with it, in milliseconds. */
  readonly serviceMs: number;
}

/** Where requests run, and the queue in front of it. */
export interface Lanes {
  /**
   * Runs `work` when a lane is free. What failed gives its lane back at once.
   *
   * @param isAbandoned - asked when it is its turn
   * @throws ServingError CANCELLED if nobody waits for it any more; what `work` throws
   */
  run<Value>(work: () => Promise<Value>, isAbandoned: () => boolean): Promise<Value>;
}

/** As many requests at a time as a server or a device has lanes, each with a fixed time of its own if wanted. */
export function lanes({ count, serviceMs }: LanesOptions, clock: Clock): Lanes {
  let free = count;
  const waiting: (() => void)[] = [];

  const enter = (): Promise<void> | undefined => {
    if (free > 0) {
      free -= 1;
      return undefined;
    }
    return new Promise((resolve) => waiting.push(resolve));
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  };

  return {
    run: async (work, isAbandoned) => {
      await enter();
      try {
        // A device that scored for nobody would keep those waiting who still are there.
        if (isAbandoned())
          throw new ServingError(grpcCode.CANCELLED, "the client closed the request");
        const value = await work();
        if (serviceMs > 0) {
          await new Promise<void>((resolve) => {
            clock.setTimer(serviceMs, resolve);
          });
        }
        return value;
      } finally {
        leave();
      }
    },
  };
}
