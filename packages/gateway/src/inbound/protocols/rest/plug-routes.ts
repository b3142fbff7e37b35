import { InvalidRequestError, type RegionStatus } from "@tensorgate/core";
import type { HttpAnswer, HttpRoute } from "../http-handler.ts";
import { problemBody } from "./errors.ts";

/** Simulated outages: regions that the demo can take away and give back. */
export interface RegionPlugs {
  list(): readonly { readonly region: string; readonly isPlugged: boolean }[];
  /** Ends every replica of the region immediately. */
  unplug(region: string): void;
  /** Starts them again; resolves when they listen. */
  plug(region: string): Promise<void>;
}

/** `POST /demo/regions/{region}/unplug` and `/plug`. */
export function plugRoutes(plugs: RegionPlugs): readonly HttpRoute[] {
  const known = (region: string): string => {
    const names = plugs.list().map((each) => each.region);
    if (names.includes(region)) return region;
    throw new InvalidRequestError(`unknown region "${region}"`, {
      field: "region",
      hint: `there are ${names.join(" and ")}`,
    });
  };
  const answer = (): HttpAnswer => ({
    contentType: "application/json",
    body: `${JSON.stringify({ regions: plugs.list() })}\n`,
  });
  return [
    {
      method: "POST",
      path: "/demo/regions/{region}/unplug",
      errorBody: problemBody,
      answer: async (_exchange, { params }) => {
        // It may be asynchronous: what it rejects with is this call's failure.
        await plugs.unplug(known(params["region"] ?? ""));
        return answer();
      },
    },
    {
      method: "POST",
      path: "/demo/regions/{region}/plug",
      errorBody: problemBody,
      answer: async (_exchange, { params }) => {
        await plugs.plug(known(params["region"] ?? ""));
        return answer();
      },
    },
  ];
}

/** How regions are doing, with their plugs where there are some. */
export function withPlugs(
  regions: readonly RegionStatus[],
  plugs: RegionPlugs | undefined,
): readonly RegionStatus[] {
  const isPlugged = new Map(plugs?.list().map((each) => [each.region, each.isPlugged]));
  return regions.map((region) => {
    const found = isPlugged.get(region.name);
    return found === undefined ? region : { ...region, isPlugged: found };
  });
}
