/** What became of the requests of a run with one fault in it. */
export interface FaultResult {
  readonly fault: string;
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  /** Requests that came in a second; 0 where each came after an answer. */
  readonly perSecond: number;
  /** Attempts that were out at the replicas that were hit when they were hit. */
  readonly exposed: number;
  /** From the fault until the gateway's status showed every replica that was hit out of rotation; null if it never did. */
  readonly detectionMs: number | null;
  /** From the fault to the last attempt at a replica that was hit, before it was ejected; null if it never was. */
  readonly lastSentMs: number | null;
  readonly ejections: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** How late the load sent, at the 99th percentile: what a busy machine adds to every figure. */
  readonly lateP99Ms: number;
  /** Failed requests by reason. */
  readonly failures: Readonly<Record<string, number>>;
  /** Figures of this fault alone. */
  readonly also: Readonly<Record<string, number>>;
  /** What was asked of the run and did not hold. */
  readonly missed: readonly string[];
  /** The same of figures, which a busy machine can spoil. */
  readonly missedFigures: readonly string[];
  readonly passed: boolean;
}

/** A run that came to no end. */
export function brokenResult(fault: string, why: string): FaultResult {
  return {
    fault,
    sent: 0,
    answered: 0,
    failed: 0,
    perSecond: 0,
    exposed: 0,
    ejections: 0,
    detectionMs: null,
    lastSentMs: null,
    p50Ms: 0,
    p99Ms: 0,
    maxMs: 0,
    lateP99Ms: 0,
    failures: {},
    also: {},
    missed: [why],
    missedFigures: [],
    passed: false,
  };
}

export interface FaultSettings {
  /** Requests of one run. */
  readonly requests: number;
  readonly seed: number;
  /** What a request usually takes at a replica, in milliseconds: with it the machine's processors must keep up. */
  readonly serviceMs: number;
}

/** One way in which the world goes wrong, and what a gateway makes of it. */
export interface Fault {
  readonly name: string;
  /** What happens, and what is asked. */
  readonly about: string;
  run(settings: FaultSettings): Promise<FaultResult>;
}
