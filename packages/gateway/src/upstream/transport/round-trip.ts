import type { Clock } from "@tensorgate/core";

/** How far away a server is, by how long small things take there and back. */
export interface RoundTrip {
  /** In milliseconds; undefined until something was measured. */
  ms(): number | undefined;
  /** @param durationMs - of an HTTP/2 ping, in milliseconds */
  pinged(durationMs: number): void;
  /** @param durationMs - from a small call to the first of its answer, in milliseconds */
  answered(durationMs: number): void;
}

/** How long a measurement counts, in milliseconds: at least this, at most twice as long. */
const windowMs = 30_000;

/**
 * The shortest of late: whatever else a call waits for only makes it longer.
 *
 * Calls count rather than pings where there are any. A proxy answers pings in the place of a server that is far behind
 * it; and servers count pings, and close on whom they find too keen, so there is one for each connection, which serves
 * until the first small call (a probe is one) has been answered.
 */
export function roundTrip(clock: Clock): RoundTrip {
  let pingMs: number | undefined;
  let beforeMs: number | undefined;
  let windowStartedMs = 0;
  let nowMs: number | undefined;

  return {
    ms: () => least(beforeMs, nowMs) ?? pingMs,
    pinged: (durationMs) => {
      pingMs = durationMs;
    },
    answered: (durationMs) => {
      const atMs = clock.nowMs();
      if (atMs - windowStartedMs >= windowMs) {
        beforeMs = atMs - windowStartedMs >= 2 * windowMs ? undefined : nowMs;
        nowMs = undefined;
        windowStartedMs = atMs;
      }
      nowMs = least(nowMs, durationMs);
    },
  };
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
