import { link, readFile, rename, unlink, writeFile } from "node:fs/promises";
import type { Clock } from "@tensorgate/core";
import { z } from "zod";

/** Which of the gateways with one file of rollouts swaps devices. Two would unload what the other one loads. */
export interface SwapLease {
  /** Takes the lease if no other gateway has it, and keeps it. @returns whether this gateway has it for certain */
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

/**
 * How long a lease that was taken must still be this gateway's before it counts, in milliseconds: the changes of others that
 * tried at the same moment are over by then.
 */
const confirmMs = 500;

const leaseJson = z.object({ holder: z.string(), beat: z.number() });

/**
 * Creates a lease in a file. Its holder changes the file with each `hold`; whether it lives is judged by each gateway's own
 * clock. A holder that gave no sign for as long takes its own lease over as any other gateway would.
 */
export function createSwapLease(
  file: string,
  { holder, silentMs, clock }: SwapLeaseDeps,
): SwapLease {
  /** The lease as it was seen last, and since when it is the same. One that is being created has no text yet. */
  let seen: { readonly text: string | undefined; readonly sinceMs: number } = {
    text: undefined,
    sinceMs: clock.nowMs(),
  };
  let beat = 0;
  /** When it was taken, and when the last sign was given. */
  let takenMs = Number.POSITIVE_INFINITY;
  let beatMs = Number.NEGATIVE_INFINITY;
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
    const nowMs = clock.nowMs();
    const isOwn = text !== undefined && holderOf(text) === holder;
    if (isOwn && nowMs - beatMs < silentMs) {
      await writeFile(own, written());
      await rename(own, file);
      beatMs = nowMs;
      return nowMs - takenMs >= confirmMs;
    }
    if (text !== undefined) {
      if (text !== seen.text) seen = { text, sinceMs: isOwn ? beatMs : nowMs };
      if (nowMs - seen.sinceMs < silentMs) return false;
    }
    try {
      if (text !== undefined && !(await remove(text))) return false;
      await writeFile(file, written(), { flag: "wx" });
      takenMs = nowMs;
      beatMs = nowMs;
    } catch (thrown) {
      if (!(isCode(thrown, "ENOENT") || isCode(thrown, "EEXIST"))) throw thrown;
    }
    return false;
  }

  /** Removes a lease. @returns false if it is another one by now, which is left */
  async function remove(text: string): Promise<boolean> {
    await rename(file, own);
    const isSame = (await readFile(own, "utf8")) === text;
    // Where a file cannot have two names, its holder takes the lease again.
    if (!isSame) await link(own, file).catch(() => {});
    await unlink(own);
    return isSame;
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
