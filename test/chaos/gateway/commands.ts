import type { GatewayOptions } from "@tensorgate/gateway";
import type { AttemptInfo, AttemptQuery } from "./attempts.ts";

export type GatewayCommands = {
  /** Listens as soon as every pool can serve. */
  readonly start: (options: GatewayOptions) => Promise<{ readonly port: number }>;
  /** Keeps the event loop busy for so many milliseconds. */
  readonly stall: (durationMs: number) => void;
  readonly attempts: (question: AttemptQuery) => AttemptInfo;
  /** Most resident memory so far, in bytes. */
  readonly peakBytes: () => number;
  /** Ends these processes if the parent dies: one that is stopped cannot see that by itself. */
  readonly guard: (pids: readonly number[]) => void;
};
