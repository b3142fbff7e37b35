/** When decoders that could not be started may be tried again: a machine without processes to spare gets none by asking more. */
export interface StartBackoff {
  mayStart(nowMs: number): boolean;
  succeeded(): void;
  failed(nowMs: number): void;
}

/** After the first failure it tries again immediately: what was killed by chance says nothing of the next. In milliseconds. */
const firstDelayMs = 250;
const maxDelayMs = 5_000;

export function createStartBackoff(): StartBackoff {
  let failureCount = 0;
  let nextMs = Number.NEGATIVE_INFINITY;
  return {
    mayStart: (nowMs) => nowMs >= nextMs,
    succeeded: () => {
      failureCount = 0;
      nextMs = Number.NEGATIVE_INFINITY;
    },
    failed: (nowMs) => {
      failureCount += 1;
      if (failureCount > 1) {
        nextMs = nowMs + Math.min(maxDelayMs, firstDelayMs * 2 ** (failureCount - 2));
      }
    },
  };
}
