import { InvalidRequestError, type RegionStatus } from "@tensorgate/core";
import type { HttpAnswer, HttpRoute } from "../http-handler.ts";
import { problemBody } from "./errors.ts";

/** Regions whose outage clients can simulate. */
export interface SimulatedOutages {
  list(): readonly { readonly region: string; readonly hasOutage: boolean }[];
  /** Ends every replica of the region immediately. */
  begin(region: string): void;
  /** Starts them again; resolves when they listen. */
  end(region: string): Promise<void>;
}

/** What `POST /demo/regions/{region}/…` may end in; the second name of each is the one of before. */
const changes = { begin: ["begin-outage", "unplug"], end: ["end-outage", "plug"] } as const;

/** `POST /demo/regions/{region}/begin-outage` and `/end-outage`. */
export function outageRoutes(outages: SimulatedOutages): readonly HttpRoute[] {
  const known = (region: string): string => {
    const names = outages.list().map((each) => each.region);
    if (names.includes(region)) return region;
    throw new InvalidRequestError(`unknown region "${region}"`, {
      field: "region",
      hint: `there are ${names.join(" and ")}`,
    });
  };
  const answer = (): HttpAnswer => ({
    contentType: "application/json",
    body: `${JSON.stringify({ regions: outages.list() })}\n`,
  });
  return (["begin", "end"] as const).flatMap((change) =>
    changes[change].map(
      (name): HttpRoute => ({
        method: "POST",
        path: `/demo/regions/{region}/${name}`,
        errorBody: problemBody,
        answer: async (_exchange, { params }) => {
          // Each may be asynchronous: what it rejects with is this call's failure.
          await outages[change](known(params["region"] ?? ""));
          return answer();
        },
      }),
    ),
  );
}

/** How regions are doing, with their outages where these can be simulated. */
export function withOutages(
  regions: readonly RegionStatus[],
  outages: SimulatedOutages | undefined,
): readonly RegionStatus[] {
  const hasOutage = new Map(outages?.list().map((each) => [each.region, each.hasOutage]));
  return regions.map((region) => {
    const found = hasOutage.get(region.name);
    return found === undefined ? region : { ...region, hasOutage: found };
  });
}
