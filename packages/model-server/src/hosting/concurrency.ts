import type { Clock } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";

export interface ConcurrencyOptions {
  /** Requests that run at the same time; further ones are queued, first in, first out. */
  readonly maxConcurrency: number;
  /** Time that a request keeps its slot after the engine has finished it, in milliseconds. */
  readonly serviceMs: number;
}

/** Limits the concurrency of requests, and queues those beyond it. */
export interface ConcurrencyLimiter {
  /**
   * Runs `work` when a slot is free. Work that fails frees its slot without the service time.
   *
   * @param isAbandoned - whether the client has closed the request; called when a slot is free
   * @throws ServingError CANCELLED if it has; what `work` throws
   */
  run<Value>(work: () => Promise<Value>, isAbandoned: () => boolean): Promise<Value>;
}

/** Creates the concurrency limit of a server or a device. */
export function createConcurrencyLimiter(
  { maxConcurrency, serviceMs }: ConcurrencyOptions,
  clock: Clock,
): ConcurrencyLimiter {
  let free = maxConcurrency;
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
