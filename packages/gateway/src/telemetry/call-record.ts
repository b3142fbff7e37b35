import type {
  CacheOutcome,
  Protocol,
  ScoringError,
  WatchedEnd,
  WatchedStart,
} from "@tensorgate/core";

/** One call, when it has ended: what a log keeps of it. No body, no key. */
export interface CallRecord {
  readonly requestId: string;
  readonly protocol: Protocol;
  readonly operation: string;
  /** Why it failed, or `ok`. */
  readonly reason: ScoringError["reason"] | "ok";
  /** What the caller was told, where it failed. */
  readonly message?: string;
  /** What was behind it, which the caller was not told. */
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
  /** Where the answers came from, of a model whose answers are kept. */
  readonly cache?: CacheOutcome;
  readonly receivedBytes: number;
  readonly attempts: number;
  readonly traceId?: string;
}

export interface RecordParts {
  readonly start: WatchedStart;
  readonly end: WatchedEnd;
  readonly attempts: number;
  readonly traceId: string | undefined;
}

/** Longest text of a caller's that is kept. */
const maxTextLength = 200;

export function callRecord({ start, end, attempts, traceId }: RecordParts): CallRecord {
  const { error, askedModel, model, region, caller, times } = end;
  const { protocol, operation, requestId } = start;
  const cache = times?.entries().find(({ outcome }) => outcome)?.outcome;
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
    stages: Object.fromEntries(
      (times?.entries() ?? []).map(({ stage, durationMs }) => [stage, rounded(durationMs)]),
    ),
    ...(cache && { cache }),
    receivedBytes: end.receivedBytes,
    attempts,
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
