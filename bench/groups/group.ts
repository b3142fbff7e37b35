import { type LaunchContext, MissingPeer, type Peer } from "../launch/peer.ts";
import type { Row } from "../statistics.ts";

/** Rows that are measured in turns with each other, and may be compared. */
export interface Group {
  readonly name: string;
  /** Names of its rows. */
  readonly rows: readonly string[];
  run(context: GroupContext): Promise<readonly Row[]>;
}

export interface GroupContext extends LaunchContext {
  readonly settings: BenchSettings;
  readonly isWanted: (row: string) => boolean;
  /** Reports progress. */
  readonly say: (line: string) => void;
  /** Records a subject that this machine cannot measure. */
  readonly skip: (subject: string, reason: string) => void;
}

export interface BenchSettings {
  /** Core of the load and of the backend; the subject has the other one. */
  readonly loadCore: number;
  readonly rounds: number;
  /** By what numbers of requests are divided, which makes a run quicker and its figures worse. */
  readonly divisor: number;
}

/** Measures a peer; records why if this machine lacks what it needs. */
export async function orSkip(
  context: GroupContext,
  peer: Peer,
  measure: () => Promise<void>,
): Promise<void> {
  try {
    await measure();
  } catch (error) {
    if (!(error instanceof MissingPeer)) throw error;
    context.skip(peer.name, error.message);
  }
}
