import type { ClockAndRandom } from "@tensorgate/core";
import { countsAfter, noAttempts } from "./attempt-counts.ts";
import type { RoutingOptions } from "./options.ts";
import type { Outcome } from "./outcome.ts";
import {
  healthAfterAttempt,
  healthAfterProbe,
  nextProbeDelayMs,
  type ProbeFinding,
  pickLeastInFlight,
  type ReplicaState,
} from "./replica-set.ts";

/** The replicas that serve one model in one region. Addresses are opaque here. */
export interface PoolMembers {
  readonly model: string;
  readonly region: string;
  readonly replicaIds: readonly string[];
}

/** Asks a replica, by a cheap real call, whether it can score `model`. Never rejects. */
export type Probe = (model: string, replicaId: string) => Promise<ProbeFinding>;

export interface ReplicaPool {
  readonly model: string;
  readonly region: string;
  /** Takes the best replica not yet `tried`; `release` must follow. */
  take(tried: ReadonlySet<string>): string | undefined;
  /** @param durationMs - that the attempt took, in milliseconds */
  release(replicaId: string, outcome: Outcome, durationMs: number): void;
  states(): readonly ReplicaState[];
  /** Stops probing. */
  close(): void;
}

export interface PoolParts extends ClockAndRandom {
  readonly members: PoolMembers;
  readonly options: Required<RoutingOptions>;
  readonly probe: Probe;
  /** Told after every change of a replica's health. */
  readonly onHealthChange: () => void;
}

/**
 * Holds the states of a pool's replicas and probes them: those in rotation now and then, those that are out
 * more and more rarely. The arithmetic is in `replica-set.ts`; this is the part with timers.
 */
export function replicaPool(parts: PoolParts): ReplicaPool {
  const { members, options, probe, onHealthChange, clock, random } = parts;
  const { model, region } = members;
  const states = new Map<string, ReplicaState>(
    members.replicaIds.map((id) => [
      id,
      { id, inFlight: 0, health: { state: "warming" }, counts: noAttempts },
    ]),
  );
  const timers = new Map<string, Disposable>();
  let isClosed = false;

  function update(id: string, change: (state: ReplicaState) => Partial<ReplicaState>): void {
    const state = states.get(id);
    if (state) states.set(id, { ...state, ...change(state) });
  }

  function scheduleProbe(id: string): void {
    timers.get(id)?.[Symbol.dispose]();
    const state = states.get(id);
    if (isClosed || !state) return;
    const delayMs = nextProbeDelayMs(state.health, options, random());
    timers.set(
      id,
      clock.setTimer(delayMs, () => void probeNow(id)),
    );
  }

  async function probeNow(id: string): Promise<void> {
    const finding = await probe(model, id);
    if (isClosed) return;
    update(id, ({ health }) => ({ health: healthAfterProbe(health, finding) }));
    onHealthChange();
    scheduleProbe(id);
  }

  for (const id of members.replicaIds) void probeNow(id);

  return {
    model,
    region,
    take: (tried) => {
      const picked = pickLeastInFlight([...states.values()], tried, random());
      if (picked) update(picked.id, ({ inFlight }) => ({ inFlight: inFlight + 1 }));
      return picked?.id;
    },
    release: (id, outcome, durationMs) => {
      const before = states.get(id)?.health.state;
      update(id, ({ inFlight, health, counts }) => ({
        inFlight: inFlight - 1,
        counts: countsAfter(counts, outcome, durationMs),
        health: healthAfterAttempt(health, outcome, options),
      }));
      if (before === "ready" && states.get(id)?.health.state !== "ready") {
        onHealthChange();
        scheduleProbe(id);
      }
    },
    states: () => [...states.values()],
    close: () => {
      isClosed = true;
      for (const timer of timers.values()) timer[Symbol.dispose]();
    },
  };
}
