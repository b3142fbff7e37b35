import type {
  GatewayStatus,
  RegionStatus,
  ReplicaStatus,
} from "@tensorgate/proto/tensorgate/v1/status";
import { element, made } from "../elements.ts";
import { setPlug } from "./set-plug.ts";
import { sparkline, sparklineLength } from "./sparkline.ts";

const columns = [
  "Region",
  "Round trip",
  "Replicas",
  "In flight",
  "Latency",
  "Answered",
  "Failed attempts",
];

export interface RegionsView {
  show(status: GatewayStatus | undefined): void;
}

/** Regions and replicas as they are now, and, in a demo, a plug for each. */
export function regionsView(): RegionsView {
  const latencies = new Map<string, number[]>();
  const changing = new Set<string>();
  let latest: GatewayStatus | undefined;

  async function toggle(region: string, isPlugged: boolean): Promise<void> {
    changing.add(region);
    refresh();
    await setPlug(region, isPlugged);
    // The next status says how it is now.
    changing.delete(region);
  }

  function plugButton(region: string, isPlugged: boolean): HTMLElement {
    const button = made(
      "button",
      { type: "button", disabled: changing.has(region), class: isPlugged ? "danger" : "" },
      isPlugged ? "Pull the plug" : "Plug it in",
    );
    button.setAttribute("aria-label", `${button.textContent} of ${region}`);
    button.dataset["region"] = region;
    button.onclick = () => void toggle(region, !isPlugged);
    return button;
  }

  function latencyCell(region: string): HTMLElement {
    const known = latencies.get(region) ?? [];
    const newest = known.at(-1);
    const text = newest === undefined ? "" : ` ${newest.toFixed(0)} ms`;
    return made("span", {}, sparkline(known, `Latency of ${region}`), text);
  }

  function row(region: RegionStatus, isOwn: boolean): HTMLElement {
    const { name, roundTripMs, isPlugged } = region;
    const replicas = replicasOf(region);
    const sum = (of: (replica: ReplicaStatus) => number | bigint) =>
      replicas.reduce((all, replica) => all + Number(of(replica)), 0);
    const cells: (Node | string)[] = [
      isOwn ? `${name} (here)` : name,
      ...(isPlugged === undefined ? [] : [plugButton(name, isPlugged)]),
      roundTripMs === undefined ? "unknown" : `${roundTripMs} ms`,
      made("span", {}, ...replicas.map(replicaMark)),
      String(sum(({ inFlight }) => inFlight)),
      latencyCell(name),
      String(sum(({ answered }) => answered)),
      String(sum(({ failed }) => failed)),
    ];
    const [heading = "", ...rest] = cells;
    return made(
      "tr",
      {},
      made("th", { scope: "row" }, heading),
      ...rest.map((cell) => made("td", {}, cell)),
    );
  }

  function refresh(): void {
    const table = element("regions");
    const focused = (document.activeElement as HTMLElement | null)?.dataset["region"];
    const hasPlugs = latest?.regions.some(({ isPlugged }) => isPlugged !== undefined);
    const [first = "", ...others] = columns;
    const heads = [first, ...(hasPlugs ? [""] : []), ...others];
    table.replaceChildren(
      made("thead", {}, made("tr", {}, ...heads.map((head) => made("th", { scope: "col" }, head)))),
      made(
        "tbody",
        {},
        ...(latest?.regions ?? []).map((region) => row(region, region.name === latest?.region)),
      ),
    );
    // The table is made anew every second; whoever stands on a button stays there.
    const button = [...table.querySelectorAll("button")].find(
      ({ dataset }) => dataset["region"] === focused && focused !== undefined,
    );
    button?.focus();
  }

  return {
    show: (status) => {
      latest = status;
      for (const region of status?.regions ?? []) remember(region);
      element("regions-hint").textContent = status
        ? ""
        : "The gateway does not tell how it is doing; it is asked again.";
      if (status) element("version").textContent = `Tensorgate ${status.version}`;
      refresh();
    },
  };

  function remember(region: RegionStatus): void {
    const known = replicasOf(region).flatMap(({ latencyMs }) =>
      latencyMs === undefined ? [] : [latencyMs],
    );
    if (known.length === 0) return;
    const before = latencies.get(region.name) ?? [];
    const average = known.reduce((sum, each) => sum + each, 0) / known.length;
    latencies.set(region.name, [...before, average].slice(-sparklineLength));
  }
}

function replicasOf({ pools }: RegionStatus): readonly ReplicaStatus[] {
  return pools.flatMap(({ replicas }) => replicas);
}

function replicaMark({ id, state }: ReplicaStatus): HTMLElement {
  const mark = made("span", { class: `replica ${state}`, title: `${id}: ${state}` });
  mark.append(made("span", { class: "unseen" }, `${id} ${state} `));
  return mark;
}
