// Searches for the bodies that cost the gateway most for their length, and prints them.
import { seededRandom } from "../mutate.ts";
import { knownBodies } from "./known.ts";
import { findingJson, findingLine } from "./report.ts";
import { startCostRig } from "./rig.ts";
import { confirmed, costBounds, isOver, search } from "./search.ts";
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
const probeLimits = { cpuMs: 6_000, timeoutMs: 30_000, memoryBytes: 2.5 * 2 ** 30 };

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
  await using rig = await startCostRig(probeLimits);
  const first = known ? knownBodies().filter(({ target }) => targets.includes(target)) : [];
  const startMs = performance.now();
  const { worst, stalls, probeCount } = await search({
    rig,
    targets,
    known: first,
    random: seededRandom(seed),
    isOver: () => performance.now() - startMs > seconds * 1_000,
    onWorse: (found) => {
      if (!json && isOver(found, costBounds)) say(findingLine(found));
    },
  });
  const checked = [];
  for (const found of worst) {
    checked.push(isOver(found, costBounds) ? await confirmed(rig, found, costBounds) : found);
  }
  checked.sort((a, b) => b.cpuRatio - a.cpuRatio);
  const over = checked.filter((found) => isOver(found, costBounds));
  if (json) {
    for (const found of checked) say(JSON.stringify(findingJson(found)));
  } else {
    say(`\nseed ${seed}: ${probeCount} bodies for ${targets.length} targets; the worst of each:`);
    for (const found of checked) say(findingLine(found));
    say(`\nthe loop stood for more than ${costBounds.maxStallMs} ms:`);
    for (const found of stalls) say(findingLine(found));
    say(
      `\n${over.length} targets over ${costBounds.maxCpuRatio} × CPU or ${costBounds.maxMemoryRatio} × memory`,
    );
  }
  return over.length === 0;
}
