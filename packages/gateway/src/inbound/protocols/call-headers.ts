import { InvalidRequestError, type Priority, priorities } from "@tensorgate/core";

export const timeoutHeader = "x-tensorgate-timeout-ms";
export const priorityHeader = "x-tensorgate-priority";
export const hopsHeader = "x-tensorgate-hops";

/** @throws InvalidRequestError if the header is there and not a number */
export function parseTimeoutMs(text: string): number {
  if (/^-?\d{1,12}$/.test(text)) return Number(text);
  throw new InvalidRequestError(`${timeoutHeader} must be a whole number of milliseconds`, {
    field: timeoutHeader,
  });
}

/** @see RFC 9111, section 5.2.1.5; gRPC's metadata has it too */
export function hasNoStore(cacheControl: string): boolean {
  return cacheControl.split(",").some((each) => each.trim().toLowerCase() === "no-store");
}

/** @throws InvalidRequestError if there is no such priority */
export function parsePriority(text: string): Priority {
  const found = priorities.find((priority) => priority === text.toLowerCase());
  if (found) return found;
  throw new InvalidRequestError(`${priorityHeader} must be one of ${priorities.join(", ")}`, {
    field: priorityHeader,
  });
}

/** From the gateway that a caller found to the one of another region, and no further. */
const maxHops = 1;

/** @throws InvalidRequestError if the call has come through more gateways than it may */
export function parseHops(text: string): number {
  const hops = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (hops <= maxHops) return hops;
  throw new InvalidRequestError(
    `${hopsHeader} must be a whole number of gateways, at most ${maxHops}`,
    {
      field: hopsHeader,
      hint: "a call may pass through one other gateway only; check the pools for a chain of gateways",
    },
  );
}

export function parseRegions(text: string): readonly string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
