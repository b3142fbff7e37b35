import { backoffDelayMs, type ClockAndRandom, maxTimerDelayMs } from "@tensorgate/core";
import { OciError } from "../oci-error.ts";

export interface HttpDeps extends ClockAndRandom {
  readonly fetch: typeof fetch;
}

export interface HttpOptions {
  readonly signal?: AbortSignal | undefined;
  /** Time without a byte after which a request is given up, in milliseconds. */
  readonly idleTimeoutMs?: number;
}

export const httpDefaults = { idleTimeoutMs: 60_000 } as const;

/** Attempts of one request, the first one included. */
const maxAttempts = 5;
const backoff = { initialBackoffMs: 500, maxBackoffMs: 10_000 };
/** A server that asks for a longer wait gets none. */
const maxRetryAfterMs = 120_000;

/** A failure after which the same request may succeed. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  /** Wait that the server asks for, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/**
 * Repeats an attempt after transient failures, with growing waits or those that the server asks for.
 *
 * @param attempt - throws `TransientError` for a failure after which it may succeed
 * @throws OciError `remote` after the last attempt, or if the server asks for too long a wait
 */
export async function withRetries<Result>(
  attempt: (signal: AbortSignal | undefined) => Promise<Result>,
  { clock, random, signal }: ClockAndRandom & Pick<HttpOptions, "signal">,
): Promise<Result> {
  for (let failures = 1; ; failures += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt(signal);
    } catch (thrown) {
      signal?.throwIfAborted();
      if (!(thrown instanceof TransientError)) throw thrown;
      const { message, retryAfterMs = 0 } = thrown;
      if (retryAfterMs > maxRetryAfterMs) {
        const text = `${message}; it asks to wait ${Math.ceil(retryAfterMs / 1_000)} s, try again then`;
        throw new OciError("remote", text, { cause: thrown });
      }
      if (failures === maxAttempts) {
        const text = `${message} (${maxAttempts} attempts)`;
        throw new OciError("remote", text, { cause: thrown });
      }
      const delayMs = Math.max(retryAfterMs, backoffDelayMs(failures, backoff, random()));
      await sleep(delayMs, clock, signal);
    }
  }
}

function sleep(
  delayMs: number,
  clock: ClockAndRandom["clock"],
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // A timer of a clock does not keep the process alive, and while a server is away nothing else does.
    const alive = setInterval(() => {}, maxTimerDelayMs);
    const timer = clock.setTimer(delayMs, () => {
      clearInterval(alive);
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    const abort = () => {
      clearInterval(alive);
      timer[Symbol.dispose]();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Reads `Retry-After`: seconds, or a date. @returns milliseconds; undefined if there is none that can be read */
export function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const text = headers.get("retry-after");
  if (text === null) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** Ends a request that makes no progress. */
export interface IdleTimeout extends Disposable {
  readonly signal: AbortSignal;
  /** Starts the time again, since there was progress. */
  readonly touch: () => void;
}

export function idleTimeout(
  { clock }: Pick<ClockAndRandom, "clock">,
  { signal, idleTimeoutMs = httpDefaults.idleTimeoutMs }: HttpOptions,
): IdleTimeout {
  const controller = new AbortController();
  const late = () =>
    controller.abort(new TransientError(`no answer within ${idleTimeoutMs / 1_000} s`));
  let timer = clock.setTimer(idleTimeoutMs, late);
  return {
    signal: signal ? AbortSignal.any([signal, controller.signal]) : controller.signal,
    touch: () => {
      timer[Symbol.dispose]();
      timer = clock.setTimer(idleTimeoutMs, late);
    },
    [Symbol.dispose]: () => timer[Symbol.dispose](),
  };
}
