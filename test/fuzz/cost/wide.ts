import type { Sent } from "./deliver.ts";
import { keyHeader, restOrdinary } from "./ordinary.ts";
import { envelope } from "./text-sites.ts";
import { predictReply, type UpstreamReply, wideOutputs } from "./upstream.ts";

/** The classes of the model with many of them. */
export const wideClassCount = 50_000;

/** What its replica answers. */
export const wideReply: UpstreamReply = {
  method: "Predict",
  bytes: envelope(predictReply(wideOutputs(wideClassCount))),
};
export const wideOrdinary = (length: number): Sent => ({
  ...restOrdinary(length),
  path: "/v1/classify/wide",
  reply: wideReply,
});

/** A POST with our key. */
export const post =
  (path: string, type: string, extra: Readonly<Record<string, string>> = keyHeader) =>
  (body: Buffer): Sent => ({ path, headers: { ...extra, "content-type": type }, body });
