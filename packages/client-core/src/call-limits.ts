import { argumentError } from "./arguments.ts";
import type { CallOptions, CommonClientOptions } from "./options.ts";

type Limits = Required<Pick<CommonClientOptions, "timeoutMs" | "deadlineMs" | "maxRetries">>;

/**
 * Longest time limit, in milliseconds: more than a day. Longer ones, such as Infinity, are cut to it.
 * @see gRPC over HTTP/2, "Requests": a time-out has eight digits at most. A timer of JavaScript takes 2^31.
 */
const longestMs = 99_999_999;

/**
 * Returns the time limits of a call and its number of retries: those of the call, or else of the client.
 *
 * @throws InvalidRequestError for a value out of range
 */
export function limitsFrom(call: CallOptions, client: Limits): Limits {
  const { maxRetries = client.maxRetries } = call;
  if (!(maxRetries >= 0)) throw argumentError("maxRetries", "0 or more", maxRetries);
  return {
    timeoutMs: durationMs("timeoutMs", call.timeoutMs ?? client.timeoutMs),
    deadlineMs: durationMs("deadlineMs", call.deadlineMs ?? client.deadlineMs),
    maxRetries,
  };
}

function durationMs(name: string, value: number): number {
  if (!(value > 0)) throw argumentError(name, "more than 0", value);
  return Math.min(value, longestMs);
}
