import type { AttemptFailure, ProbeResult } from "../src/routing/scheduler/events.ts";

/** What is wrong with a simulated replica. */
export type Fault =
  /** The process is gone: what it had is lost, and nobody can connect. */
  | { readonly kind: "dead" }
  /** Nothing comes back, and nothing is refused either. */
  | { readonly kind: "silent" }
  /** Everything takes so many times as long. */
  | { readonly kind: "slow"; readonly factor: number }
  /** Every request is answered at once: with a failure. */
  | { readonly kind: "failing" }
  /** Every request is answered at once: there is no room. */
  | { readonly kind: "full" }
  /** Every request is answered at once: the model is not served here. A probe is told so, too, or the opposite. */
  | { readonly kind: "unserved"; readonly claimsReady: boolean };

/** A request at a replica. */
export interface Job {
  /** What a healthy replica works on it, in milliseconds. */
  readonly serviceMs: number;
  /** Version that it names. */
  readonly version: bigint | undefined;
  readonly onBegun: () => void;
  /** Told when it leaves the replica, with a failure if it was not answered. */
  readonly onEnded: (failure?: AttemptFailure) => void;
}

/** A replica in virtual time: as many requests at once as it has concurrency, the others in the order they came. */
export interface Machine {
  readonly fault: Fault | undefined;
  /** Versions that it has. */
  versions: readonly bigint[];
  take(job: Job): void;
  strike(fault: Fault | undefined): void;
}

/** @param later - calls back after so many milliseconds of virtual time */
export function machine(
  concurrency: number,
  later: (delayMs: number, happen: () => void) => void,
): Machine {
  let fault: Fault | undefined;
  /** Changes whenever what it works on is lost. */
  let life = 0;
  const queue: Job[] = [];
  const working = new Set<Job>();

  function begin(): void {
    if (fault?.kind === "silent" || working.size >= concurrency) return;
    const job = queue.shift();
    if (!job) return;
    working.add(job);
    job.onBegun();
    const factor = fault?.kind === "slow" ? fault.factor : 1;
    const bornIn = life;
    later(job.serviceMs * factor, () => {
      if (life !== bornIn) return;
      working.delete(job);
      // What a silent one has done it tells nobody.
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
    strike: (next) => {
      fault = next;
      if (fault?.kind === "dead") {
        life += 1;
        const lost = [...working, ...queue.splice(0)];
        working.clear();
        for (const job of lost) job.onEnded("lost");
      }
      for (let lane = 0; lane < concurrency; lane += 1) begin();
    },
  };
  return self;
}

/** What a machine says to a probe; undefined where it says nothing at all. */
export function probeResult({ fault, versions }: Machine): ProbeResult | undefined {
  if (fault?.kind === "silent") return undefined;
  if (fault?.kind === "dead") return { finding: "lost" };
  const isAbsent = fault?.kind === "unserved" && !fault.claimsReady;
  if (isAbsent || versions.length === 0) return { finding: "warming" };
  const [latest] = versions.toSorted((a, b) => (a > b ? -1 : 1));
  return { finding: "ready", versions: { listed: versions, latest } };
}
