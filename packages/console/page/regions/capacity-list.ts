import { capacityLines } from "@tensorgate/core";
import type { GatewayStatus } from "@tensorgate/proto/tensorgate/v1/status";
import { createHtml, element } from "../elements.ts";

/** Creates the list of free devices of the gateway's cluster, by region; hidden if the gateway does not count them. */
export function createCapacityList(): (capacity: GatewayStatus["capacity"]) => void {
  const list = element("capacity");
  let shown = "";

  return (capacity) => {
    const lines = capacity ? linesOf(capacity) : [];
    list.hidden = lines.length === 0;
    // A status comes every second, and a list that stays must not lose a selection of its text.
    if (lines.join("\n") === shown) return;
    shown = lines.join("\n");
    list.replaceChildren(...lines.map((line) => createHtml("li", {}, line)));
  };
}

function linesOf({
  devices,
  ageMs,
  because,
}: NonNullable<GatewayStatus["capacity"]>): readonly string[] {
  const lines = capacityLines({
    devices,
    ...(ageMs !== undefined && { ageMs: Number(ageMs) }),
    ...(because !== undefined && { because }),
  });
  return lines.map((line) => `${line.slice(0, 1).toUpperCase()}${line.slice(1)}.`);
}
