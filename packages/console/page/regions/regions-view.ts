import type { GatewayStatus } from "@tensorgate/proto/tensorgate/v1/status";
import { createHtml, element } from "../elements.ts";
import { createRegionRow, type RegionRow } from "./region-row.ts";

const columns = [
  "Region",
  "Plug",
  "Round trip",
  "Replicas",
  "In flight",
  "Waiting",
  "Latency",
  "Answered",
  "Failed attempts",
];

export interface RegionsView {
  show(status: GatewayStatus | undefined): void;
}

/** Regions and replicas as they are now, and, in a demo, a plug for each. */
export function createRegionsView(): RegionsView {
  const rows = new Map<string, RegionRow>();
  const heads = new Map(columns.map((name) => [name, createHtml("th", { scope: "col" }, name)]));
  const body = createHtml("tbody");
  const hint = element("regions-hint");
  element("regions").replaceChildren(
    createHtml("thead", {}, createHtml("tr", {}, ...heads.values())),
    body,
  );

  return {
    show: (status) => {
      hint.textContent = status
        ? ""
        : "The gateway does not tell how it is doing; it is asked again.";
      body.hidden = !status;
      if (!status) return;
      const { regions, region: own, version } = status;
      element("version").textContent = `Tensorgate ${version}`;
      const plugHead = heads.get("Plug");
      if (plugHead) plugHead.hidden = regions.every(({ isPlugged }) => isPlugged === undefined);
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
