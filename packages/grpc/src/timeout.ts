/** Milliseconds in each unit of `grpc-timeout`. */
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Reads `grpc-timeout`.
 *
 * @returns milliseconds; undefined if `text` is not a timeout
 * @see gRPC over HTTP/2, "Requests": at most eight digits and a unit
 */
export function parseTimeout(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * (unitMs[unit] ?? 0);
}

const maxDigits = 99_999_999;

/** Writes `grpc-timeout`, rounded down but at least 1 ms: in milliseconds, or in seconds from 27 hours on. */
export function formatTimeout(timeoutMs: number): string {
  const wholeMs = Math.max(1, Math.floor(timeoutMs));
  if (wholeMs <= maxDigits) return `${wholeMs}m`;
  return `${Math.min(Math.floor(wholeMs / 1_000), maxDigits)}S`;
}
