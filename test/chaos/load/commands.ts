/** Where a load goes: gateways, which stand in for each other, or one replica directly. */
export type LoadTarget =
  | { readonly kind: "gateways"; readonly ports: readonly number[] }
  | { readonly kind: "replica"; readonly port: number };

/** How requests come: by chance and without regard to answers, or each caller after its last answer. */
export type Arrivals =
  | { readonly kind: "open"; readonly perSecond: number; readonly seed: number }
  | { readonly kind: "closed"; readonly callers: number };

export interface LoadPlan {
  readonly target: LoadTarget;
  readonly arrivals: Arrivals;
  /** Requests at least; more are sent until `release`. */
  readonly requests: number;
  /** What each caller waits at most, in milliseconds. */
  readonly timeoutMs: number;
  /** Bytes of the one input. */
  readonly bodyBytes: number;
  /** HTTP/2 connections to each target. */
  readonly connections: number;
}

export interface Latencies {
  readonly answered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LoadSummary extends Latencies {
  readonly sent: number;
  readonly failed: number;
  /** How many failed for each reason: the gateway's own words, or what became of the connection. */
  readonly failures: Readonly<Record<string, number>>;
  /** Requests that were sent to another gateway because the first had not accepted them. */
  readonly sentElsewhere: number;
  /** Answers by the region that gave them. */
  readonly regions: Readonly<Record<string, number>>;
  /** How late requests left, at the 99th percentile, in milliseconds: a busy machine shows here and in no fault. */
  readonly lateP99Ms: number;
  /** From the first request to the last answer, in milliseconds. */
  readonly durationMs: number;
  readonly endedAtMs: number;
}

/** A span of time by the shared clock: requests that should have left in it. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export type LoadCommands = {
  readonly start: (plan: LoadPlan) => void;
  /** Resolves when so many requests were sent. @returns when, by the shared clock */
  readonly reached: (sentCount: number) => Promise<number>;
  /** The load ends as soon as it has sent `requests`. */
  readonly release: () => void;
  /** Resolves when every request has ended. */
  readonly finished: () => Promise<LoadSummary>;
  readonly latencies: (span: Span) => Latencies;
  /** Ids of the requests that were answered. */
  readonly acknowledged: () => readonly string[];
};
