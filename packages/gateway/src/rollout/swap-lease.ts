import { readFile, rename, unlink, writeFile } from "node:fs/promises";
import type { Clock } from "@tensorgate/core";
import { z } from "zod";

/** Which of the gateways with one file of rollouts swaps devices. Two would unload what the other one loads. */
export interface SwapLease {
  /** Takes the lease if no other gateway has it, and keeps it. @returns whether this gateway has it */
  hold(): Promise<boolean>;
  /** Gives it back for good. */
  release(): Promise<void>;
}

export interface SwapLeaseDeps {
  /** Name of this gateway; differs from those of all others. */
  readonly holder: string;
  /** After which time without a sign of its holder the lease is taken over, in milliseconds. */
  readonly silentMs: number;
  readonly clock: Clock;
}

const leaseJson = z.object({ holder: z.string(), beat: z.number() });

/**
 * Creates a lease in a file. Its holder changes the file with each `hold`; whether it lives is judged by each gateway's own
 * clock. Of two gateways that take it over at the same moment the second may win, and the first learns that with its next
 * `hold`.
 */
export function createSwapLease(
  file: string,
  { holder, silentMs, clock }: SwapLeaseDeps,
): SwapLease {
  let seen = { text: "", sinceMs: clock.nowMs() };
  let beat = 0;
  let isReleased = false;
  let last: Promise<unknown> = Promise.resolve();

  async function read(): Promise<string | undefined> {
    try {
      return await readFile(file, "utf8");
    } catch (thrown) {
      if (isCode(thrown, "ENOENT")) return undefined;
      throw thrown;
    }
  }

  const written = () => {
    beat += 1;
    return JSON.stringify({ holder, beat });
  };
  const own = `${file}.${holder}`;

  async function hold(): Promise<boolean> {
    if (isReleased) return false;
    const text = await read();
    if (text !== undefined && holderOf(text) === holder) {
      await writeFile(own, written());
      await rename(own, file);
      return true;
    }
    if (text !== undefined) {
      if (text !== seen.text) seen = { text, sinceMs: clock.nowMs() };
      if (clock.nowMs() - seen.sinceMs < silentMs) return false;
    }
    try {
      if (text !== undefined) {
        await rename(file, own);
        await unlink(own);
      }
      await writeFile(file, written(), { flag: "wx" });
      return true;
    } catch (thrown) {
      if (isCode(thrown, "ENOENT") || isCode(thrown, "EEXIST")) return false;
      throw thrown;
    }
  }

  /** One after the other: a sign of life must not be written after the lease was given back. */
  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  }

  return {
    hold: () => inTurn(hold),
    release: () => {
      isReleased = true;
      return inTurn(async () => {
        const text = await read();
        if (text !== undefined && holderOf(text) === holder) await unlink(file);
      });
    },
  };
}

/** @returns undefined for a damaged file, which is taken over like any other */
function holderOf(text: string): string | undefined {
  try {
    return leaseJson.parse(JSON.parse(text)).holder;
  } catch {
    return undefined;
  }
}

function isCode(thrown: unknown, code: string): boolean {
  return (thrown as NodeJS.ErrnoException | undefined)?.code === code;
}
