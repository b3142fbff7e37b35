import type { Arrivals, LoadPlan, LoadSummary } from "../load/commands.ts";
import type { Replica } from "../rig/replica.ts";
import type { Rig } from "../rig/rig.ts";
import { sharedNowMs } from "../shared-clock.ts";
import type { FaultResult, FaultSettings } from "./fault.ts";

/** A load with something going wrong in the middle of it. */
export interface Episode extends FaultSettings {
  readonly fault: string;
  /** Load as a share of what the own region can serve: 0..1. */
  readonly share?: number;
  /** Makes the fault happen. @returns when it began, by the shared clock */
  readonly begin: (rig: Rig) => Promise<number> | number;
  /** Ends it. */
  readonly heal?: (rig: Rig) => Promise<unknown>;
  /** The fault lasts at least so long, in milliseconds, if the requests are over before. */
  readonly lastsMs?: number;
  /** Replicas that are hit. */
  readonly hit?: (rig: Rig) => readonly Replica[];
}

/** What a caller waits at most, in milliseconds: more than a thousand times what an answer takes. */
export const callerTimeoutMs = 3_000;

/** Share of the requests before the fault, and before its end. */
const beginAt = 0.3;
const healAt = 0.7;
/** So long without an attempt, a replica was left alone. An ejection lasts longer. */
const pauseMs = 200;
const warmUpRequests = 200;

export interface EpisodeEnd {
  readonly result: FaultResult;
  readonly load: LoadSummary;
  readonly beganAtMs: number;
}

/** Warms up, loads, lets the fault happen and end, and waits for the last answer. */
export async function play(rig: Rig, episode: Episode): Promise<EpisodeEnd> {
  const { requests, share = 0.6, begin, heal, lastsMs = 0, hit } = episode;
  const arrivals = { kind: "open", perSecond: rig.perSecond * share, seed: episode.seed } as const;
  await warmUp(rig, { ...arrivals, perSecond: Math.min(arrivals.perSecond, 200) });

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
          ...{ replica: address, faultAtMs: beganAtMs, untilMs: summary.endedAtMs, pauseMs },
        }),
      ),
    ),
  );
  const result = resultOf(episode.fault, summary, {
    ejections: status.ejections - ejectionsBefore,
    exposed: facts.reduce((sum, { exposed }) => sum + exposed, 0),
    detectionMs: latest(outAtMs.map((atMs) => (atMs === undefined ? undefined : atMs - beganAtMs))),
    lastSentMs: latest(facts.map(({ lastSentMs }) => lastSentMs)),
  });
  return { result, load: summary, beganAtMs };
}

async function warmUp(rig: Rig, arrivals: Arrivals): Promise<void> {
  await rig.status.untilReady(rig.replicas.map(({ id }) => id));
  await rig.load.ask("start", loadPlan(rig, { arrivals, requests: warmUpRequests }));
  await rig.load.ask("release");
  const { failed, failures } = await rig.load.ask("finished");
  if (failed > 0) throw new Error(`requests failed before the fault: ${JSON.stringify(failures)}`);
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
    ...{ arrivals, requests },
  };
}

type Facts = Pick<FaultResult, "exposed" | "detectionMs" | "lastSentMs" | "ejections">;

/** A result that asks only that no request failed. */
export function resultOf(fault: string, load: LoadSummary, facts: Facts): FaultResult {
  const { sent, answered, failed, p50Ms, p99Ms, maxMs, lateP99Ms, failures } = load;
  const missed = failed === 0 ? [] : [`${failed} of ${sent} requests failed`];
  return {
    ...{ fault, sent, answered, failed },
    ...facts,
    ...{ p50Ms, p99Ms, maxMs, lateP99Ms, failures },
    also: {},
    missed,
    passed: missed.length === 0,
  };
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
