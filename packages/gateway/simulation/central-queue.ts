import { eventQueue } from "./event-queue.ts";
import type { TracedRequest } from "./trace.ts";

/**
 * How long each request of `trace` takes where all replicas take from one queue, without any time lost between two
 * requests: the bound that no scheduler can beat.
 *
 * @param turnaroundMs - that every request is on the way, here too
 * @returns in milliseconds, in the order of `trace`
 */
export function centralQueueLatencies(
  trace: readonly TracedRequest[],
  { replicaCount, turnaroundMs }: { readonly replicaCount: number; readonly turnaroundMs: number },
): readonly number[] {
  const free = eventQueue<undefined>();
  for (let replica = 0; replica < replicaCount; replica += 1) free.put(0, undefined);
  return trace.map(({ arrivesMs, serviceMs }) => {
    const freeMs = free.next()?.atMs ?? 0;
    const endMs = Math.max(arrivesMs, freeMs) + serviceMs;
    free.put(endMs, undefined);
    return endMs - arrivesMs + turnaroundMs;
  });
}
