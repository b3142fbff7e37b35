import type { GatewayStatus } from "@tensorgate/proto/tensorgate/v1/status";
import { createHtml, element } from "../elements.ts";
import { createCapacityList } from "./capacity-list.ts";
import { createRegionRow, type RegionRow } from "./region-row.ts";
import { sharingText } from "./sharing-text.ts";

const columns = [
  "Region",
  "Outage",
  "Round trip",
  "Replicas",
  "In flight",
  "Waiting",
  "Latency",
  "Answered",
  "Failed",
];

export interface RegionsView {
  show(status: GatewayStatus | undefined): void;
}

/** Shows the state of regions and replicas, and in the demo a button for a simulated outage of each region. */
export function createRegionsView(): RegionsView {
  const rows = new Map<string, RegionRow>();
  const heads = new Map(
    columns.map((name) => [name, createHtml("th", { scope: "col", role: "columnheader" }, name)]),
  );
  const body = createHtml("tbody", { role: "rowgroup" });
  const hint = element("regions-hint");
  const sharing = element("sharing");
  const showCapacity = createCapacityList();
  const table = element("regions");
  // Named, as its rows are: on a phone they are shown as blocks.
  table.setAttribute("role", "table");
  table.replaceChildren(
    createHtml("thead", { role: "rowgroup" }, createHtml("tr", { role: "row" }, ...heads.values())),
    body,
  );

  return {
    show: (status) => {
      hint.textContent = status ? "" : "No status from the gateway; retrying.";
      body.hidden = !status;
      if (!status) return;
      const { regions, region: own, version } = status;
      sharing.textContent = sharingText(status.sharing);
      sharing.hidden = status.sharing === undefined;
      showCapacity(status.capacity);
      element("version").textContent = `Tensorgate ${version}`;
      const outageHead = heads.get("Outage");
      if (outageHead) outageHead.hidden = regions.every(({ hasOutage }) => hasOutage === undefined);
      for (const region of regions) {
        let row = rows.get(region.name);
        if (!row) {
          row = createRegionRow(region.name);
          rows.set(region.name, row);
          body.append(row.element);
        }
        row.show(region, region.name === own);
      }
      for (const [name, { element: gone }] of rows) {
        if (regions.some((region) => region.name === name)) continue;
        gone.remove();
        rows.delete(name);
      }
    },
  };
}
