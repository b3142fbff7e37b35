// Searches for the bodies that cost the gateway most for their length, and prints them.
import { seededRandom } from "../mutate.ts";
import { confirmed, costBounds, type Found, isOver } from "./finding.ts";
import { knownBodies } from "./known.ts";
import { costReport, findingJson, findingLine } from "./report.ts";
import { type Baselines, type CostRig, startCostRig } from "./rig.ts";
import { search } from "./search.ts";
import { costTargets } from "./targets.ts";

export interface CostRun {
  readonly seed: number;
  readonly seconds: number;
  /** Part of a target's name; every target without it. */
  readonly target: string | undefined;
  readonly json: boolean;
  /** Whether the worst that was found before is tried first. */
  readonly known: boolean;
}

/** A process that took so long, or so much, is ended: that is a finding. */
const probeLimits = { timeoutMs: 180_000, memoryBytes: 2.5 * 2 ** 30 };

/** Bodies measured at the same time: by CPU time, so that there may be more of them than cores. Most of it is waiting. */
const rigCount = 8;

/** @returns whether all is within the bounds */
export async function runCost({
  seed,
  seconds,
  target: wanted = "",
  json,
  known,
}: CostRun): Promise<boolean> {
  const targets = costTargets.filter(({ name }) => name.includes(wanted));
  if (targets.length === 0) throw new Error(`no target is called "${wanted}"`);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const baselines: Baselines = new Map();
  await using stack = new AsyncDisposableStack();
  const started = Array.from({ length: rigCount }, () => startCostRig(probeLimits, baselines));
  const rigs = (await Promise.all(started)).map((rig) => stack.use(rig));
  const first = known ? knownBodies().filter(({ target }) => targets.includes(target)) : [];
  const startMs = performance.now();
  const elapsedMs = () => performance.now() - startMs;
  const result = await search({
    rigs,
    targets,
    known: first,
    random: seededRandom(seed),
    now: () => performance.now(),
    isDone: () => elapsedMs() > seconds * 1_000,
    onWorse: (found) => {
      if (json || !isOver(found, costBounds)) return;
      say(`${Math.round(elapsedMs() / 1_000)} s: ${findingLine(found)}`);
    },
  });
  const checked = await allConfirmed(rigs, result.worst);
  checked.sort((a, b) => b.cpuRatio - a.cpuRatio);
  if (json) for (const found of checked) say(JSON.stringify(findingJson(found)));
  else for (const line of costReport({ ...result, worst: checked }, { seed, targets })) say(line);
  return checked.every((found) => !isOver(found, costBounds));
}

/** Measures again what is over the bounds, with every rig. */
async function allConfirmed(rigs: readonly CostRig[], worst: readonly Found[]): Promise<Found[]> {
  const left = [...worst];
  const checked: Found[] = [];
  const work = async (rig: CostRig) => {
    for (let found = left.pop(); found; found = left.pop()) {
      checked.push(isOver(found, costBounds) ? await confirmed(rig, found, costBounds) : found);
    }
  };
  await Promise.all(rigs.map(work));
  return checked;
}
