/** One request of a simulation. */
export interface TracedRequest {
  readonly arrivesMs: number;
  /** What a replica works on it. */
  readonly serviceMs: number;
}

/** What requests take. */
export interface ServiceMix {
  readonly usualMs: number;
  readonly slowMs: number;
  /** Share of the slow ones, 0..1. */
  readonly slowShare: number;
}

export interface TraceOptions {
  readonly requestCount: number;
  /** Share of what all replicas together can do; more than 1 is more than they can. */
  readonly load: number;
  readonly replicaCount: number;
  readonly mix: ServiceMix;
  /** Uniform in `[0, 1)`. */
  readonly random: () => number;
}

/** Requests that come one by one, each independent of the others: a Poisson process. */
export function poissonTrace(options: TraceOptions): readonly TracedRequest[] {
  const { requestCount, load, replicaCount, mix, random } = options;
  const { usualMs, slowMs, slowShare } = mix;
  const meanServiceMs = usualMs * (1 - slowShare) + slowMs * slowShare;
  const meanGapMs = meanServiceMs / (load * replicaCount);
  let nowMs = 0;
  return Array.from({ length: requestCount }, () => {
    nowMs += -Math.log(1 - random()) * meanGapMs;
    return { arrivesMs: nowMs, serviceMs: random() < slowShare ? slowMs : usualMs };
  });
}
