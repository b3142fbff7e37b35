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
import { GrpcStatusError } from "../transport/failures.ts";

/**
 * Reasons that the request caused: they are the same here. So is an exceeded deadline, which is that of the caller and no
 * failure of the gateway.
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
 * Translates a failure of a gateway by its reason.
 *
 * A gateway that is overloaded or has no replica has not sent the call: it counts as a full replica. Failures between the
 * gateways, such as an invalid key, stay failures of the replica: a caller cannot mend them.
 */
export function failureOfPeer(thrown: unknown): ScoringError {
  const error = ScoringError.from(thrown);
  const { cause } = error;
  if (!(cause instanceof GrpcStatusError)) return error;
  const { reason, ...received } = peerErrorOf(cause.headers) ?? { reason: "" };
  const details = { ...received, cause };
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

/** Error details of a gateway. */
interface PeerError {
  readonly reason: string;
  readonly hint?: string;
  readonly field?: string;
  readonly retryAfterMs?: number;
}

/** Reads the error details. @returns undefined if they are not from a gateway, but from a proxy for example */
function peerErrorOf(headers: HeaderBlock): PeerError | undefined {
  try {
    return readPeerError(readDetails(headers));
  } catch {
    // It is no status, or has far more details than those of a gateway.
    return undefined;
  }
}

/** Most elements of a status and its details. */
const maxStatusElements = 256;

function readPeerError(bytes: Uint8Array): PeerError | undefined {
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

/** Longest `retryAfterMs` of a gateway that is passed on, in milliseconds. */
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
