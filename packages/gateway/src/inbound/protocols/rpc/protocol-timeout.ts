import { maxTimerDelayMs } from "@tensorgate/core";

/** Milliseconds in the units of gRPC's time-outs. */
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Cuts the time-outs of gRPC and Connect to what a timer takes: Connect starts one with what the caller says, and it
 * would fire at once. What is malformed stays for Connect to reject.
 */
export function cutTimeouts(headers: Headers): void {
  const [, digits, unit = ""] =
    /^(\d{1,8})([HMSmun])$/.exec(headers.get("grpc-timeout") ?? "") ?? [];
  if (digits !== undefined && Number(digits) * (unitMs[unit] ?? 0) > maxTimerDelayMs) {
    headers.set("grpc-timeout", `${Math.floor(maxTimerDelayMs / 1_000)}S`);
  }
  const connectTimeout = headers.get("connect-timeout-ms") ?? "";
  if (/^\d{1,10}$/.test(connectTimeout) && Number(connectTimeout) > maxTimerDelayMs) {
    headers.set("connect-timeout-ms", String(maxTimerDelayMs));
  }
}
