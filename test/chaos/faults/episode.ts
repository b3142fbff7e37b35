import type { LoadPlan, LoadSummary } from "../load/commands.ts";
import type { Replica } from "../rig/replica.ts";
import type { Rig } from "../rig/rig.ts";
import { sharedNowMs } from "../shared-clock.ts";
import type { FaultResult, FaultSettings } from "./fault.ts";

/** A load with something going wrong in the middle of it. */
export interface Episode extends FaultSettings {
  readonly fault: string;
  /** Load as a share of what could be served before the fault: 0..1. */
  readonly share?: number;
  /** Makes the fault happen. @returns when it began, by the shared clock */
  readonly begin: (rig: Rig) => Promise<number> | number;
  /** Ends it. */
  readonly heal?: (rig: Rig) => Promise<unknown>;
  /** The fault lasts at least so long, in milliseconds, if the requests are over before. */
  readonly lastsMs?: number;
  /** Why requests may fail all the same. */
  readonly mayFail?: readonly string[];
  /** Replicas that are hit. */
  readonly hit?: (rig: Rig) => readonly Replica[];
}

/** What a caller waits at most, in milliseconds: more than a thousand times what an answer takes. */
export const callerTimeoutMs = 3_000;

/** Share of the requests before the fault, and before its end. */
const beginAt = 0.3;
const healAt = 0.7;
/** So long without an attempt, a replica counts as ejected. An ejection lasts longer. */
const pauseMs = 120;
/** Callers that keep every replica busy, and the requests before the fault. */
const warmUp = { callers: 16, requests: 150 };

export interface EpisodeEnd {
  readonly result: FaultResult;
  readonly load: LoadSummary;
  readonly beganAtMs: number;
}

/** Warms up, loads, lets the fault happen and end, and waits for the last answer. */
export async function play(rig: Rig, episode: Episode): Promise<EpisodeEnd> {
  const { requests, share = 0.6, begin, heal, lastsMs = 0, mayFail = [], hit } = episode;
  const perSecond = share * (await throughput(rig));
  const arrivals = { kind: "open", perSecond, seed: episode.seed } as const;

  const { load, status } = rig;
  const ejectionsBefore = status.ejections;
  await load.ask("start", loadPlan(rig, { arrivals, requests }));
  await load.ask("reached", Math.ceil(requests * beginAt));
  const replicas = hit?.(rig) ?? [];
  status.lookClosely();
  const beganAtMs = await begin(rig);
  await load.ask("reached", Math.ceil(requests * healAt));
  await until(beganAtMs + lastsMs);
  await heal?.(rig);
  await load.ask("release");
  const summary = await load.ask("finished");

  const outAtMs = replicas.map(({ id }) => status.firstOutAtMs(id, beganAtMs));
  const facts = await Promise.all(
    replicas.flatMap(({ address }) =>
      rig.gateways.map(({ child }) =>
        child.ask("attempts", {
          replica: address,
          faultAtMs: beganAtMs,
          untilMs: summary.endedAtMs,
          pauseMs,
        }),
      ),
    ),
  );
  const result = resultOf(episode.fault, summary, {
    ejections: status.ejections - ejectionsBefore,
    mayFail,
    perSecond: Math.round(perSecond),
    exposed: facts.reduce((sum, { exposed }) => sum + exposed, 0),
    detectionMs: latest(outAtMs.map((atMs) => (atMs === undefined ? undefined : atMs - beganAtMs))),
    lastSentMs: latest(facts.map(({ lastSentMs }) => lastSentMs)),
  });
  return { result, load: summary, beganAtMs };
}

/**
 * Warms everything up, and tells how many requests a second can be served: as many as the replicas can, or fewer where
 * the machine's processors cannot keep up. A load beyond that would drown what the fault does.
 */
async function throughput(rig: Rig): Promise<number> {
  await rig.status.untilReady(rig.replicas.map(({ id }) => id));
  const arrivals = { kind: "closed", callers: warmUp.callers } as const;
  const rates: number[] = [];
  // The first time is slow, while code is compiled.
  for (let round = 0; round < 2; round += 1) {
    await rig.load.ask("start", loadPlan(rig, { arrivals, requests: warmUp.requests }));
    await rig.load.ask("release");
    const { failed, failures, answered, durationMs } = await rig.load.ask("finished");
    if (failed > 0) throw new Error(`failed before the fault: ${JSON.stringify(failures)}`);
    rates.push((answered * 1_000) / durationMs);
  }
  return Math.min(rig.perSecond, ...rates.slice(-1));
}

/** Small requests through every gateway. */
export function loadPlan(
  { gateways }: Pick<Rig, "gateways">,
  { arrivals, requests }: Pick<LoadPlan, "arrivals" | "requests">,
): LoadPlan {
  return {
    target: { kind: "gateways", ports: gateways.map(({ port }) => port) },
    timeoutMs: callerTimeoutMs,
    bodyBytes: 256,
    connections: 4,
    arrivals,
    requests,
  };
}

interface EpisodeInfo
  extends Pick<FaultResult, "perSecond" | "exposed" | "detectionMs" | "lastSentMs" | "ejections"> {
  /** Why requests may fail all the same. */
  readonly mayFail: readonly string[];
}

/** What there is to tell of a run without one replica that was hit. */
export const noInfo: Omit<EpisodeInfo, "mayFail"> = {
  perSecond: 0,
  exposed: 0,
  detectionMs: null,
  lastSentMs: null,
  ejections: 0,
};

/** A result that asks only that no request failed, but for the reasons that are allowed. */
export function resultOf(
  fault: string,
  load: LoadSummary,
  { mayFail, ...info }: EpisodeInfo,
): FaultResult {
  const { sent, answered, failed, p50Ms, p99Ms, maxMs, lateP99Ms, failures } = load;
  const wrongly = Object.entries(failures)
    .filter(([reason]) => !mayFail.includes(reason))
    .reduce((sum, [, count]) => sum + count, 0);
  const missed = wrongly === 0 ? [] : [`${wrongly} of ${sent} requests failed`];
  return {
    fault,
    sent,
    answered,
    failed,
    ...info,
    p50Ms,
    p99Ms,
    maxMs,
    lateP99Ms,
    failures,
    also: {},
    missed,
    missedFigures: [],
    passed: missed.length === 0,
  };
}

interface Findings {
  readonly also?: FaultResult["also"];
  /** What did not hold; `false` stands for what did. */
  readonly missed?: readonly (string | false)[];
  readonly missedFigures?: readonly (string | false)[];
}

/** The same result with further figures, and with what else did not hold. */
export function andAlso(result: FaultResult, findings: Findings): FaultResult {
  const held = (text: string | false) => text !== false;
  const missed = [...result.missed, ...(findings.missed ?? []).filter(held)];
  const missedFigures = [...result.missedFigures, ...(findings.missedFigures ?? []).filter(held)];
  const passed = missed.length + missedFigures.length === 0;
  return { ...result, also: { ...result.also, ...findings.also }, missed, missedFigures, passed };
}

/** The last of several moments, if all of them came. */
function latest(allMs: readonly (number | undefined)[]): number | null {
  if (allMs.length === 0) return null;
  const latestMs = Math.max(...allMs.map((each) => each ?? Number.NaN));
  return Number.isNaN(latestMs) ? null : Math.round(latestMs * 10) / 10;
}

export function until(atMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - sharedNowMs())));
}
