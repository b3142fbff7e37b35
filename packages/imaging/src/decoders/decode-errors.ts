import {
  InternalError,
  OverloadedError,
  type ScoringError,
  TooLargeError,
  UnsupportedMediaError,
} from "@tensorgate/core";
import type { RefusalMessage } from "./decode-message.ts";
import type { DecoderEnd } from "./decoder-child.ts";

/** What a decoder said of a picture, as the error that it was there. */
export function refusedError({ reason, message, hint }: RefusalMessage): ScoringError {
  const details = hint === undefined ? {} : { hint };
  switch (reason) {
    case "unsupported-media":
      return new UnsupportedMediaError(message, details);
    case "too-large":
      return new TooLargeError(message, details);
    default:
      return new InternalError(new Error(`a decoder failed: ${message}`));
  }
}

/**
 * Whether a decoder ended as code does that a picture makes fail. Another signal came from outside: the system's when
 * memory is short, an operator's, or that of `close`.
 */
export function isCrash({ signal }: DecoderEnd): boolean {
  return crashSignals.has(signal ?? "");
}

const crashSignals: ReadonlySet<string> = new Set([
  "SIGSEGV",
  "SIGBUS",
  // Also when the heap of the process is full.
  "SIGABRT",
  "SIGILL",
  "SIGFPE",
]);

export function endedItsDecoder(): UnsupportedMediaError {
  return new UnsupportedMediaError("the picture cannot be decoded", {
    hint: "it is damaged and crashed its decoder",
  });
}

export function tookTooLong(timeoutMs: number): UnsupportedMediaError {
  return new UnsupportedMediaError(`the picture was not decoded within ${timeoutMs} ms`, {
    hint: "send a smaller picture, or a simpler format",
  });
}

export function tooManyWait(retryAfterMs: number): OverloadedError {
  return new OverloadedError("too many pictures are waiting to be decoded", {
    retryAfterMs: Math.min(Math.max(minRetryAfterMs, Math.ceil(retryAfterMs)), maxRetryAfterMs),
    hint: "retry in a moment",
  });
}

/**
 * Why there is no decoder. It says nothing of any picture: the gateway lacks something, for now or altogether.
 *
 * @returns OverloadedError if the machine is short of processes, files or memory, InternalError otherwise
 */
export function noDecoder({
  error,
  exitCode,
  signal,
}: DecoderEnd): OverloadedError | InternalError {
  const cause = error ?? new Error(`a decoder ended: ${signal ?? `exit code ${exitCode}`}`);
  const isShortage = error ? shortages.has(error.code ?? "") : typeof signal === "string";
  if (!isShortage) return new InternalError(cause);
  return new OverloadedError("no decoder is available", {
    retryAfterMs: minRetryAfterMs,
    hint: "retry in a moment",
    cause,
  });
}

/** What the system says when there are as many processes, files or pages as there may be. */
const shortages: ReadonlySet<string> = new Set(["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"]);

/** When a pool with too much to do may be asked again, in milliseconds. */
const minRetryAfterMs = 1_000;
const maxRetryAfterMs = 30_000;
