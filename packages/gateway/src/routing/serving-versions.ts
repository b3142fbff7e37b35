import type { Clock } from "@tensorgate/core";
import { isServing } from "./ask-nearest.ts";
import type { SchedulerStatus } from "./scheduler/status.ts";

/** Counts the serving replicas of a model by version. A replica that lists no version, or several, is in no count. */
export type ServingVersions = (
  model: string,
  residency?: readonly string[],
) => ReadonlyMap<string, number>;

interface ServingReplica {
  readonly model: string;
  readonly region: string;
  readonly version: string;
}

/** How long a report is used if no replica changes its state: versions may change without that. In milliseconds. */
const maxAgeMs = 250;

/**
 * Creates a count that every call may ask for: it keeps a report of the pools.
 *
 * @returns the count, and what to call when a replica has changed its state
 */
export function createServingVersions(
  status: () => SchedulerStatus,
  clock: Clock,
): { readonly count: ServingVersions; readonly changed: () => void } {
  let kept: readonly ServingReplica[] | undefined;
  let keptAtMs = 0;

  function serving(): readonly ServingReplica[] {
    if (kept && clock.nowMs() - keptAtMs < maxAgeMs) return kept;
    keptAtMs = clock.nowMs();
    kept = status().pools.flatMap(({ model, region, replicas }) =>
      replicas.filter(isServing).flatMap(({ versions }) => {
        const [only, ...others] = versions.listed ?? [];
        if (only === undefined || others.length > 0) return [];
        return [{ model, region, version: String(only) }];
      }),
    );
    return kept;
  }

  return {
    changed: () => {
      kept = undefined;
    },
    count: (model, residency) => {
      const found = new Map<string, number>();
      for (const each of serving()) {
        if (each.model !== model || residency?.includes(each.region) === false) continue;
        found.set(each.version, (found.get(each.version) ?? 0) + 1);
      }
      return found;
    },
  };
}
