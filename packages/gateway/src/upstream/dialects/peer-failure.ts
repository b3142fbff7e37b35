import { fromBinary, type Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { anyIs, anyUnpack, type Duration } from "@bufbuild/protobuf/wkt";
import {
  createWorkBudget,
  errorByReason,
  type FailureReason,
  ModelNotReadyError,
  ScoringError,
  UpstreamFailedError,
  type WorkBudget,
} from "@tensorgate/core";
import { type HeaderBlock, readDetails } from "@tensorgate/grpc";
import { ErrorInfoSchema, RetryInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { type Status, StatusSchema } from "@tensorgate/proto/google/rpc/status";
import { chargeMessage } from "@tensorgate/tf-serving";
import { GrpcStatusError } from "../transport/status-error.ts";

/**
 * Reasons by which a gateway blames the request: they hold here as they do there. So does a deadline that it could not
 * keep, which is the caller's own and says nothing against the gateway.
 */
const blamesRequest: ReadonlySet<string> = new Set<FailureReason>([
  "invalid-request",
  "unsupported-media",
  "too-large",
  "unknown-model",
  "unknown-version",
  "failed-precondition",
  "not-supported",
  "upstream-answered",
  "deadline-exceeded",
]);

/**
 * What a gateway's own reason for a failure makes of it here.
 *
 * One that has no room, or nobody to send the call to, has sent it nowhere; to us it is a replica that is full. What is
 * between the gateways, keys among it, stays a failure of the replica: a caller can do nothing about that.
 */
export function failureOfPeer(thrown: unknown): ScoringError {
  const error = ScoringError.from(thrown);
  const { cause } = error;
  if (!(cause instanceof GrpcStatusError)) return error;
  const { reason, ...told } = tellingOf(cause.headers) ?? { reason: "" };
  const details = { ...told, cause };
  if (reason === "overloaded" || reason === "no-replica") {
    return new UpstreamFailedError(cause.message, {
      ...details,
      isFull: true,
      isUnprocessed: true,
    });
  }
  if (reason === "model-not-ready") return new ModelNotReadyError(cause.message, details);
  if (!blamesRequest.has(reason)) return error;
  return errorByReason(reason, { ...details, message: cause.message, grpcCode: cause.code });
}

interface Telling {
  readonly reason: string;
  readonly hint?: string;
  readonly field?: string;
  readonly retryAfterMs?: number;
}

/** @returns undefined if it is not a gateway that says so, as when a proxy stands before it */
function tellingOf(headers: HeaderBlock): Telling | undefined {
  try {
    return readTelling(readDetails(headers));
  } catch {
    // It is no status, or has far more details than a gateway gives.
    return undefined;
  }
}

/** Most elements of a status and its details. */
const maxStatusElements = 256;

function readTelling(bytes: Uint8Array): Telling | undefined {
  const budget = createWorkBudget(maxStatusElements);
  chargeMessage(StatusSchema, bytes, budget);
  const status = fromBinary(StatusSchema, bytes, { readUnknownFields: false });
  const info = detail(status, ErrorInfoSchema, budget);
  if (info?.domain !== "tensorgate") return undefined;
  const { hint, field } = info.metadata;
  const delay = detail(status, RetryInfoSchema, budget)?.retryDelay;
  return {
    reason: info.reason,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    ...(delay && { retryAfterMs: retryAfterMs(delay) }),
  };
}

/** Longest time that a gateway may keep callers away for, in milliseconds. */
const maxRetryAfterMs = 3_600_000;

function retryAfterMs({ seconds, nanos }: Duration): number {
  const delayMs = Number(seconds) * 1_000 + nanos / 1e6;
  return Math.min(Math.max(0, delayMs), maxRetryAfterMs);
}

function detail<Detail extends Message>(
  { details }: Status,
  schema: GenMessage<Detail>,
  budget: WorkBudget,
): Detail | undefined {
  const found = details.find((any) => anyIs(any, schema));
  if (!found) return undefined;
  chargeMessage(schema, found.value, budget);
  return anyUnpack(found, schema);
}
