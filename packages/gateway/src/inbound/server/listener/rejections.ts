import type { Clock } from "@tensorgate/core";

/** Why a connection was closed before it was used. */
export type RejectionReason = "address-limit" | "total-limit" | "file-limit";

/** Connections that were closed before they were used, since the last report. */
export interface RejectedConnections {
  readonly reason: RejectionReason;
  readonly count: number;
}

/** How long the next report of the same reason waits, in milliseconds: a flood must not become one of the log. */
const reportEveryMs = 10_000;

/** Reports the first rejection of each reason at once, and those that follow together. */
export function createRejectionReports(
  report: (rejected: RejectedConnections) => void,
  clock: Pick<Clock, "nowMs">,
): (reason: RejectionReason) => void {
  const pending = new Map<RejectionReason, { count: number; reportedMs: number }>();
  return (reason) => {
    const nowMs = clock.nowMs();
    const state = pending.get(reason) ?? { count: 0, reportedMs: Number.NEGATIVE_INFINITY };
    pending.set(reason, state);
    state.count += 1;
    if (nowMs - state.reportedMs < reportEveryMs) return;
    const { count } = state;
    state.count = 0;
    state.reportedMs = nowMs;
    report({ reason, count });
  };
}
