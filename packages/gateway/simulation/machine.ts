import type { AttemptFailure, ProbeResult } from "../src/routing/scheduler/events.ts";

/** What is wrong with a simulated replica. */
export type Fault =
  /** The process is gone: its requests are lost, and no connection can be made. */
  | { readonly kind: "dead" }
  /** It accepts requests, and never answers. */
  | { readonly kind: "silent" }
  /** Service times are multiplied. */
  | { readonly kind: "slow"; readonly factor: number }
  /** Every request fails immediately. */
  | { readonly kind: "failing" }
  /** Every request is rejected immediately for want of capacity. */
  | { readonly kind: "full" }
  /** Every request is answered immediately that the model is not served; a probe may find the opposite. */
  | { readonly kind: "unserved"; readonly claimsReady: boolean };

/** A request at a replica. */
export interface Job {
  /** Service time at a healthy replica, in milliseconds. */
  readonly serviceMs: number;
  /** Version that the request names. */
  readonly version: bigint | undefined;
  readonly onBegun: () => void;
  /** Called when it leaves the replica, with a failure if it was not answered. */
  readonly onEnded: (failure?: AttemptFailure) => void;
}

/** A replica in virtual time: a concurrency, and a queue. */
export interface Machine {
  readonly fault: Fault | undefined;
  /** Versions that it lists. */
  versions: readonly bigint[];
  take(job: Job): void;
  setFault(fault: Fault | undefined): void;
}

/** @param later - calls back after a delay in virtual time, in milliseconds */
export function createMachine(
  concurrency: number,
  later: (delayMs: number, happen: () => void) => void,
): Machine {
  let fault: Fault | undefined;
  /** Changes when its requests are lost. */
  let generation = 0;
  const queue: Job[] = [];
  const working = new Set<Job>();

  function begin(): void {
    if (fault?.kind === "silent" || working.size >= concurrency) return;
    const job = queue.shift();
    if (!job) return;
    working.add(job);
    job.onBegun();
    const factor = fault?.kind === "slow" ? fault.factor : 1;
    const begunIn = generation;
    later(job.serviceMs * factor, () => {
      if (generation !== begunIn) return;
      working.delete(job);
      // A silent replica does the work, and does not reply.
      if (fault?.kind !== "silent") job.onEnded();
      begin();
    });
  }

  const self: Machine = {
    get fault() {
      return fault;
    },
    versions: [1n],
    take: (job) => {
      if (fault?.kind === "dead") return job.onEnded("unprocessed");
      if (fault?.kind === "failing") return job.onEnded("failed");
      if (fault?.kind === "full") return job.onEnded("full");
      const isThere = job.version === undefined || self.versions.includes(job.version);
      if (fault?.kind === "unserved" || !isThere) return job.onEnded("not-served");
      queue.push(job);
      begin();
    },
    setFault: (next) => {
      fault = next;
      if (fault?.kind === "dead") {
        generation += 1;
        const lost = [...working, ...queue.splice(0)];
        working.clear();
        for (const job of lost) job.onEnded("lost");
      }
      for (let count = 0; count < concurrency; count += 1) begin();
    },
  };
  return self;
}

/** Returns the result of a probe; undefined if the replica does not answer. */
export function probeResult({ fault, versions }: Machine): ProbeResult | undefined {
  if (fault?.kind === "silent") return undefined;
  if (fault?.kind === "dead") return { finding: "lost" };
  const isAbsent = fault?.kind === "unserved" && !fault.claimsReady;
  if (isAbsent || versions.length === 0) return { finding: "warming" };
  const [latest] = versions.toSorted((a, b) => (a > b ? -1 : 1));
  return { finding: "ready", versions: { listed: versions, latest } };
}
