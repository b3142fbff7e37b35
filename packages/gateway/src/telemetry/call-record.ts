import type {
  CacheOutcome,
  ObservedEnd,
  ObservedStart,
  Protocol,
  ScoringError,
} from "@tensorgate/core";

/** Record of a call that has ended, as the log has it. No body, no key. */
export interface CallRecord {
  readonly requestId: string;
  readonly protocol: Protocol;
  readonly operation: string;
  /** Why it failed, or `ok`. */
  readonly reason: ScoringError["reason"] | "ok";
  /** Message that the caller got, where it failed. */
  readonly message?: string;
  /** Cause of the failure, which the caller does not get. */
  readonly cause?: string;
  /** As the caller wrote it. */
  readonly askedModel?: string;
  readonly model?: string;
  readonly version?: string;
  readonly region?: string;
  /** Name of the key. */
  readonly caller?: string;
  readonly durationMs: number;
  /** How long each stage took, in milliseconds. */
  readonly stages: Readonly<Record<string, number>>;
  /** Cache outcome, for a model with a response cache. */
  readonly cache?: CacheOutcome;
  readonly receivedBytes: number;
  readonly attempts: number;
  readonly traceId?: string;
}

interface ObservedCall {
  readonly start: ObservedStart;
  readonly end: ObservedEnd;
  readonly attemptCount: number;
  readonly traceId: string | undefined;
}

/** Longest text of a caller that is recorded, in characters. */
const maxTextLength = 200;

/** Writes the record of a call that has ended. */
export function callRecord({ start, end, attemptCount, traceId }: ObservedCall): CallRecord {
  const { error, askedModel, model, region, caller, times } = end;
  const { protocol, operation, requestId } = start;
  const stages: Record<string, number> = {};
  let cache: CacheOutcome | undefined;
  for (const { stage, durationMs, outcome } of times?.entries ?? []) {
    stages[stage] = rounded(durationMs);
    cache ??= outcome;
  }
  return {
    requestId,
    protocol,
    operation,
    reason: error?.reason ?? "ok",
    ...(error && { message: error.message.slice(0, maxTextLength) }),
    ...(error?.cause !== undefined && { cause: causeText(error.cause) }),
    ...(askedModel !== undefined && { askedModel: askedModel.slice(0, maxTextLength) }),
    ...(model && { model: model.name, version: String(model.version) }),
    ...(region !== undefined && { region }),
    ...(caller !== undefined && { caller }),
    durationMs: rounded(end.durationMs),
    stages,
    ...(cache && { cache }),
    receivedBytes: end.receivedBytes,
    attempts: attemptCount,
    ...(traceId !== undefined && { traceId }),
  };
}

function causeText(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.slice(0, maxTextLength);
}

function rounded(durationMs: number): number {
  return Math.round(durationMs * 100) / 100;
}
