import type { Clock } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";

export interface LanesOptions {
  /** Concurrency limit; further requests are queued, first in, first out. */
  readonly count: number;
  /** Time that a request keeps its lane after the engine has finished it, in milliseconds. */
  readonly serviceMs: number;
}

/** Limits the concurrency of requests, and queues those beyond it. */
export interface Lanes {
  /**
   * Runs `work` when a lane is free. Work that fails frees its lane without the service time.
   *
   * @param isAbandoned - whether the client has closed the request; called when a lane is free
   * @throws ServingError CANCELLED if it has; what `work` throws
   */
  run<Value>(work: () => Promise<Value>, isAbandoned: () => boolean): Promise<Value>;
}

/** Creates the lanes of a server or a device. */
export function createLanes({ count, serviceMs }: LanesOptions, clock: Clock): Lanes {
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
        // A device that scored an abandoned request would delay the others.
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
