import {
  type Clock,
  counted,
  type RunSmokeTest,
  type ScoreResolved,
  ScoringError,
  withDeadline,
} from "@tensorgate/core";
import type { Golden } from "./golden-pictures.ts";

/** A replica that says that it can score a model. */
export interface VerifiedReplica {
  readonly model: string;
  readonly replicaId: string;
  /** Versions that it has. */
  readonly versions: readonly bigint[];
  /** Scores at this replica. */
  readonly score: ScoreResolved;
}

/**
 * Returns why a replica must not get calls of a model yet.
 *
 * @returns undefined if its reference pictures have their labels, or there are none
 */
export type VerifyGolden = (
  golden: Golden | undefined,
  replica: VerifiedReplica,
  runSmokeTest: RunSmokeTest,
) => string | undefined;

/** Longest time for all reference pictures of a model, in milliseconds. */
const timeoutMs = 60_000;

/** What is known of a model at a replica. */
interface Checked {
  /** Versions and pictures that it is about. */
  readonly of: string;
  readonly fault: string | undefined;
  readonly atMs: number;
}

/**
 * Creates the check of reference pictures. A probe does not wait for it: the replica counts as warming until the pictures
 * were scored. Later checks run while it serves, and take it out of rotation if they fail.
 */
export function createGoldenChecks(clock: Clock): VerifyGolden {
  const known = new Map<string, Checked>();
  const running = new Set<string>();

  return (golden, replica, runSmokeTest) => {
    const key = `${replica.replicaId} ${replica.model}`;
    if (!golden) {
      known.delete(key);
      return undefined;
    }
    const labels = golden.pictures.map(({ file, label }) => `${file} ${label}`);
    const of = JSON.stringify([replica.versions.map(String), labels, golden.minShare]);
    const found = known.get(key);
    const isCurrent = found?.of === of;
    // A replica with another label may be repaired by a reload of its weights: it is asked again soon.
    const everyMs = found?.fault === undefined ? golden.everyMs : Math.min(5_000, golden.everyMs);
    const isDue = !isCurrent || clock.nowMs() - found.atMs >= everyMs;
    if (isDue && !running.has(key)) {
      running.add(key);
      void faultOf(golden, replica, { runSmokeTest, clock }).then((fault) => {
        running.delete(key);
        known.set(key, { of, fault, atMs: clock.nowMs() });
      });
    }
    return isCurrent ? found.fault : "its golden pictures are being scored";
  };
}

/** Scores the pictures one after the other. Never rejects. */
async function faultOf(
  { pictures, minShare }: Golden,
  { model, score }: VerifiedReplica,
  { runSmokeTest, clock }: { readonly runSmokeTest: RunSmokeTest; readonly clock: Clock },
): Promise<string | undefined> {
  const faults: string[] = [];
  try {
    await withDeadline(
      async (call) => {
        for (const { file, label, bytes } of pictures) {
          const result = await runSmokeTest({ model, picture: bytes, score }, call);
          const got = result.kind === "label" ? result.label : "no label";
          if (got !== label) faults.push(`${file} is ${got}, expected ${label}`);
        }
      },
      { requestId: "golden", timeoutMs, clock },
    );
  } catch (thrown) {
    return `a golden picture cannot be scored: ${ScoringError.from(thrown).message}`;
  }
  const share = 1 - faults.length / pictures.length;
  if (share >= minShare) return undefined;
  return `${faults.length} of ${counted(pictures.length, "golden picture")} ${faults.length === 1 ? "has" : "have"} another label: ${faults.slice(0, 3).join("; ")}`;
}
