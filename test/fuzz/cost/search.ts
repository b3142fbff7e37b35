import type { Random } from "../mutate.ts";
import { createArms } from "./arms.ts";
import type { CostTarget } from "./cost-target.ts";
import type { Found } from "./finding.ts";
import { createFindings } from "./findings.ts";
import type { Known } from "./known.ts";
import type { CostRig } from "./rig.ts";
import { createSchedule, type Group } from "./schedule.ts";
import { createWorker } from "./worker.ts";

export interface SearchOptions {
  /** As many bodies are measured at the same time. */
  readonly rigs: readonly CostRig[];
  readonly targets: readonly CostTarget[];
  /** Tried first, whatever time is left. */
  readonly known: readonly Known[];
  readonly random: Random;
  readonly now: () => number;
  readonly isDone: () => boolean;
  /** Called with what takes the place of the worst of its target and site. */
  readonly onWorse: (found: Found) => void;
}

export interface SearchResult {
  /** The worst of every site of every target that was tried. */
  readonly worst: readonly Found[];
  /** The longest stall of every arm, if it is over the bound. */
  readonly stalls: readonly Found[];
  readonly groups: readonly Group[];
  readonly bodyCount: number;
}

/** Searches for the bodies that cost most for their length: screens every site, then grows and mutates the worst. */
export async function search(options: SearchOptions): Promise<SearchResult> {
  const { rigs, targets, known, random, now, isDone } = options;
  const arms = createArms(targets, random);
  const schedule = createSchedule(arms.values());
  const findings = createFindings(arms, options.onWorse);
  let bodyCount = 0;

  async function work(rig: CostRig): Promise<void> {
    const worker = createWorker({ rig, random, findings, isDone });
    while (!isDone()) {
      const startMs = now();
      const { arm, end } = schedule.next();
      const count = await worker.step(arm);
      bodyCount += count;
      end(now() - startMs, count);
    }
  }

  const [first] = rigs;
  if (first) {
    const worker = createWorker({ rig: first, random, findings, isDone });
    for (const each of known) bodyCount += await worker.tryKnown(each, arms);
  }
  await Promise.all(rigs.map(work));
  return { worst: findings.worst(), stalls: findings.stalls(), groups: schedule.groups, bodyCount };
}
