import { type Arm, armWeight } from "./arms.ts";

/** Entry points that share their time. */
export interface Group {
  readonly name: string;
  readonly arms: readonly Arm[];
  spentMs: number;
  bodyCount: number;
}

export interface Turn {
  readonly arm: Arm;
  readonly group: Group;
  /** Charges the turn's time, in milliseconds, and counts its bodies. */
  end(spentMs: number, bodyCount: number): void;
}

export interface Schedule {
  readonly groups: readonly Group[];
  /** Starts a turn of the arm that has had least of its share of time, of the group that has had least. */
  next(): Turn;
}

/** A group that is over the bounds everywhere gets so much of what another gets. */
const overWeight = 0.1;
/** A turn of an arm that had none yet is expected to take so long, in milliseconds. */
const firstTurnMs = 500;

/**
 * Shares the time of a search: weighted fair queueing over groups, and over the arms of each.
 * What counts is the time that an arm took, not how often it was tried: a target that is dear to measure
 * takes nothing from the others.
 */
export function createSchedule(arms: Iterable<Arm>): Schedule {
  const groups = Object.entries(Object.groupBy(arms, ({ group }) => group)).map(
    ([name, of = []]): Group => ({ name, arms: of, spentMs: 0, bodyCount: 0 }),
  );
  const weight = ({ arms: of }: Group) =>
    of.every(({ over, targets }) => over.size === targets.length) ? overWeight : 1;

  function next(): Turn {
    const group = leastBy(groups, (each) => each.spentMs / weight(each));
    const arm = leastBy(group.arms, (each) => each.spentMs / armWeight(each));
    // What it will take is charged in advance: other workers choose before it ends.
    const expectedMs = arm.trialCount > 0 ? arm.spentMs / arm.trialCount : firstTurnMs;
    arm.trialCount += 1;
    arm.spentMs += expectedMs;
    group.spentMs += expectedMs;
    return {
      arm,
      group,
      end: (spentMs, bodyCount) => {
        arm.spentMs += spentMs - expectedMs;
        group.spentMs += spentMs - expectedMs;
        group.bodyCount += bodyCount;
      },
    };
  }
  return { groups, next };
}

function leastBy<Value>(values: readonly Value[], measure: (value: Value) => number): Value {
  let least: Value | undefined;
  let leastMeasure = Number.POSITIVE_INFINITY;
  for (const value of values) {
    const measured = measure(value);
    if (measured >= leastMeasure) continue;
    least = value;
    leastMeasure = measured;
  }
  if (least === undefined) throw new Error("there is nothing to choose from");
  return least;
}
