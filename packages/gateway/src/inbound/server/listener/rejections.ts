import type net from "node:net";
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

/** Reports the first rejection of each reason immediately, and those that follow together. */
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

/**
 * Says whether a socket took one of the last file descriptors that the process may open.
 *
 * libuv closes connections without a word when there is none left, and then replicas, certificates and decoders cannot
 * be opened either: so the last ones are kept for those. The system gives the lowest free number to every new file.
 */
export function createFileLimit(limit: number | undefined): (socket: net.Socket) => boolean {
  if (limit === undefined) return () => false;
  const reserved = Math.min(Math.max(Math.floor(limit / 16), 16), 512);
  return (socket) => descriptorOf(socket) >= limit - reserved;
}

/** How many files this process may open; undefined where the system does not say, or sets no limit. */
export function openFileLimit(): number | undefined {
  if (process.platform === "win32") return undefined;
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report;
  const { excludeNetwork = false } = report;
  // Looking up the names of our connections would take seconds.
  report.excludeNetwork = true;
  try {
    const { userLimits } = report.getReport() as {
      readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } };
    };
    const soft = userLimits?.open_files?.soft;
    return typeof soft === "number" ? soft : undefined;
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

/** -1 where there is none to see. */
function descriptorOf(socket: net.Socket): number {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd ?? -1;
}
