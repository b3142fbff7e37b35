import type { GatewayStatus, RegionStatus } from "@tensorgate/proto/tensorgate/v1/status";
import type { ChartedCall, ChartedEvent } from "./latency-chart.ts";

/** An outage as the page saw it. */
interface Outage {
  readonly region: string;
  readonly startedMs: number;
  endedMs: number | undefined;
  /** Calls of this page since it began, by the region that answered. */
  readonly answered: Map<string, number>;
  failed: number;
}

export interface RegionStory {
  /** Takes note of a call of the page. */
  addCall(call: ChartedCall): void;
  /** Returns what will happen if a region fails, what happens now, or what happened. */
  tell(status: GatewayStatus, nowMs: number): string;
  /** Starts and ends of outages. */
  readonly events: readonly ChartedEvent[];
}

/** Creates the text beside the simulated outages. It is made of what the page has seen: the state of regions, and its own calls. */
export function createRegionStory(): RegionStory {
  let outage: Outage | undefined;
  const events: ChartedEvent[] = [];

  function follow(regions: readonly RegionStatus[], nowMs: number): void {
    const out = regions.find(({ hasOutage }) => hasOutage);
    const wasOut = regions.find(({ name }) => name === outage?.region);
    if (outage && outage.endedMs === undefined && (!wasOut || isServing(wasOut))) {
      outage.endedMs = nowMs;
      events.push({ atMs: nowMs, text: `${outage.region} back` });
    }
    if (out && (!outage || outage.endedMs !== undefined)) {
      outage = {
        region: out.name,
        startedMs: nowMs,
        endedMs: undefined,
        answered: new Map(),
        failed: 0,
      };
      events.push({ atMs: nowMs, text: `${out.name} out` });
    }
  }

  return {
    events,
    addCall: ({ region, isAnswered }) => {
      if (!outage || outage.endedMs !== undefined) return;
      if (!isAnswered) outage.failed += 1;
      else if (region !== undefined) {
        outage.answered.set(region, (outage.answered.get(region) ?? 0) + 1);
      }
    },
    tell: ({ regions, region: own }, nowMs) => {
      follow(regions, nowMs);
      if (!outage) return forecast(regions, own);
      const { region, startedMs, endedMs } = outage;
      const seconds = Math.round(((endedMs ?? nowMs) - startedMs) / 1_000);
      if (endedMs !== undefined) {
        return `${region} is back after ${seconds} s. Meanwhile ${countsOf(outage)}.`;
      }
      const left = regions.filter(({ hasOutage }) => !hasOutage);
      if (left.length === 0) {
        return `No region is left: calls are rejected until one returns. So far ${countsOf(outage)}.`;
      }
      return `${region} has been out for ${seconds} s: ${countsOf(outage)}.`;
    },
  };
}

/** Whether calls may go to a region: a model server that has just been started is not ready yet. */
function isServing({ hasOutage, pools }: RegionStatus): boolean {
  const states = pools.flatMap(({ replicas }) => replicas.map(({ state }) => state));
  return !hasOutage && (states.length === 0 || states.includes("ready"));
}

function forecast(regions: readonly RegionStatus[], own: string): string {
  const [first, second] = regions;
  if (!first) return "";
  if (!second) return `All calls go to ${first.name}: there is no other region to take over.`;
  const away = second.roundTripMs === undefined ? "" : `, ${second.roundTripMs.toFixed(0)} ms away`;
  if (first.hasOutage === undefined) {
    return `Calls go to ${first.name}${first.name === own ? "" : " first"}. If it fails, they go to ${second.name}${away}.`;
  }
  return `If you simulate an outage of ${first.name}, its model server is killed. Calls in flight are sent again to ${second.name}${away}, and none fails. Press "Keep calling" to see it.`;
}

function countsOf({ answered, failed }: Outage): string {
  const parts = [...answered].map(
    ([region, count]) => `${region} answered ${count === 1 ? "1 call" : `${count} calls`}`,
  );
  return `${parts.join(", ") || "this page made no call"}${parts.length > 0 || failed > 0 ? `, and ${failed === 0 ? "none" : failed} failed` : ""}`;
}
