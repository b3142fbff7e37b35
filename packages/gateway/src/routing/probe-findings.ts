import { counted } from "@tensorgate/core";
import type { PoolReport } from "./scheduler/status.ts";

/**
 * What the last probes found of replicas that are out, without addresses, the most frequent first:
 * `connection refused (2 replicas)`.
 */
export function probeFindings(
  pools: readonly PoolReport[],
  {
    model,
    residency,
  }: { readonly model?: string; readonly residency?: readonly string[] | undefined },
): readonly string[] {
  const notes = pools
    .filter((pool) => model === undefined || pool.model === model)
    .filter(({ region }) => !residency || residency.includes(region))
    .flatMap(({ replicas }) => replicas)
    .flatMap(({ state, probeNote }) =>
      state === "ready" || !probeNote ? [] : [probeNote.message],
    );
  return [...Map.groupBy(notes, (message) => message)]
    .map(([message, { length }]) => ({ message, length }))
    .toSorted((a, b) => b.length - a.length)
    .slice(0, maxFindings)
    .map(({ message, length }) => `${message} (${counted(length, "replica")})`);
}

/** Most different findings that are listed. */
const maxFindings = 4;
