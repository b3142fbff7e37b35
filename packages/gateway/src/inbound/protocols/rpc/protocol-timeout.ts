import { maxTimerDelayMs } from "@tensorgate/core";
import { formatTimeout, parseTimeout } from "@tensorgate/grpc";

/**
 * Cuts the time-outs of gRPC and Connect to what a timer takes: Connect starts one with what the caller says, and it
 * would fire at once. What is malformed stays for Connect to reject.
 */
export function cutTimeouts(headers: Headers): void {
  const timeoutMs = parseTimeout(headers.get("grpc-timeout") ?? "") ?? 0;
  if (timeoutMs > maxTimerDelayMs) headers.set("grpc-timeout", formatTimeout(maxTimerDelayMs));
  const connectTimeout = headers.get("connect-timeout-ms") ?? "";
  if (/^\d{1,10}$/.test(connectTimeout) && Number(connectTimeout) > maxTimerDelayMs) {
    headers.set("connect-timeout-ms", String(maxTimerDelayMs));
  }
}
