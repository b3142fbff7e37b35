import type {
  PoolStatus,
  RegionStatus,
  ReplicaStatus,
} from "@tensorgate/proto/tensorgate/v1/status";
import { createHtml } from "../elements.ts";
import { createOutageButton, type OutageButton } from "./outage-button.ts";
import { replicaMarks } from "./replica-marks.ts";
import { sparkline, sparklineLength } from "./sparkline.ts";

export interface RegionRow {
  readonly element: HTMLTableRowElement;
  show(region: RegionStatus, isOwn: boolean): void;
}

/**
 * Creates the row of one region, which stays in the page: its texts change every second, but its button must stay the same
 * element, or a click during an update would be lost.
 */
export function createRegionRow(name: string): RegionRow {
  const heading = createHtml("th", { scope: "row", role: "rowheader" });
  const cell = (label: string, more = "") =>
    createHtml("td", { "data-label": label, role: "cell", ...(more && { class: more }) });
  const outageCell = cell("Outage");
  let outage: OutageButton | undefined;
  const [roundTrip, replicas, inFlight, waiting, latency, answered, failed] = [
    cell("Round trip"),
    cell("Replicas", "replicas"),
    cell("In flight"),
    cell("Waiting", "waiting"),
    cell("Latency", "latency"),
    cell("Answered"),
    cell("Failed"),
  ] as const;
  const latencies: number[] = [];

  return {
    element: createHtml(
      "tr",
      // Named, since a table that is shown as blocks on a phone is no table to a screen reader.
      { role: "row" },
      ...[heading, outageCell, roundTrip, replicas, inFlight, waiting, latency, answered, failed],
    ),
    show: ({ roundTripMs, hasOutage, pools }, isOwn) => {
      const all = pools.flatMap((pool) => pool.replicas);
      const sum = (of: (replica: ReplicaStatus) => number | bigint) =>
        String(all.reduce((whole, replica) => whole + Number(of(replica)), 0));
      heading.textContent = isOwn ? `${name} (here)` : name;
      outageCell.hidden = hasOutage === undefined;
      if (hasOutage !== undefined) {
        if (!outage) {
          outage = createOutageButton(name);
          outageCell.append(outage.element);
        }
        outage.show(hasOutage);
      }
      roundTrip.textContent =
        roundTripMs === undefined ? "unknown" : `${roundTripMs.toFixed(0)} ms`;
      replicas.replaceChildren(...replicaMarks(pools));
      inFlight.textContent = sum((replica) => replica.inFlight);
      waiting.textContent = waitingText(pools);
      waiting.className = pools.some(({ isOverloaded }) => isOverloaded)
        ? "waiting bad"
        : "waiting";
      answered.textContent = sum((replica) => replica.answered);
      failed.textContent = sum((replica) => replica.failed);

      const known = all.flatMap(({ latencyMs }) => (latencyMs === undefined ? [] : [latencyMs]));
      if (known.length > 0) {
        latencies.push(known.reduce((whole, each) => whole + each, 0) / known.length);
        latencies.splice(0, latencies.length - sparklineLength);
      }
      const newest = latencies.at(-1);
      latency.replaceChildren(
        sparkline(latencies, `Latency of ${name}`),
        newest === undefined ? "" : ` ${newest.toFixed(0)} ms`,
      );
    },
  };
}

/** Returns the number of queued calls, and the expected wait in the longest queue. */
function waitingText(pools: readonly PoolStatus[]): string {
  const count = pools.reduce((sum, pool) => sum + pool.waiting, 0);
  const waits = pools.flatMap(({ expectedWaitMs }) => expectedWaitMs ?? []);
  const next = waits.length > 0 ? `next in ${Math.max(...waits).toFixed(0)} ms` : "no replica";
  const overloaded = pools.some(({ isOverloaded }) => isOverloaded) ? ", overloaded" : "";
  return `${count}, ${next}${overloaded}`;
}
