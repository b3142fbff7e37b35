import {
  type FailureReason,
  type ScoringError,
  UnsupportedMediaError,
  UpstreamAnsweredError,
} from "@tensorgate/core";
import { httpStatusFromGrpcCode } from "@tensorgate/tf-serving";

export interface WireStatus {
  /** https://grpc.io/docs/guides/status-codes/ */
  readonly grpc: number;
  /** RFC 9110, section 15; 499 is nginx's "client closed request". */
  readonly http: number;
}

/**
 * The one place where a failure gets a number; every protocol reads it, none maps by itself.
 * "upstream-answered" stands for whatever code the replica gave: see `wireStatusOf`.
 */
// biome-ignore format: reads as a table
export const wireStatus: Readonly<Record<FailureReason, WireStatus>> = {
  "cancelled":           { grpc: 1,  http: 499 },
  "invalid-request":     { grpc: 3,  http: 400 },
  "unsupported-media":   { grpc: 3,  http: 415 },
  "too-large":           { grpc: 3,  http: 413 },
  "deadline-exceeded":   { grpc: 4,  http: 504 },
  "unknown-model":       { grpc: 5,  http: 404 },
  "unknown-version":     { grpc: 5,  http: 404 },
  "unauthenticated":     { grpc: 16, http: 401 },
  "forbidden":           { grpc: 7,  http: 403 },
  "failed-precondition": { grpc: 9,  http: 400 },
  "not-supported":       { grpc: 12, http: 501 },
  "quota-exceeded":      { grpc: 8,  http: 429 },
  "overloaded":          { grpc: 14, http: 503 },
  "model-not-ready":     { grpc: 14, http: 503 },
  "no-replica":          { grpc: 14, http: 503 },
  "upstream-failed":     { grpc: 14, http: 502 },
  "upstream-answered":   { grpc: 3,  http: 400 },
  "internal":            { grpc: 13, http: 500 },
};

/** An encoding that is not supported; gRPC's "Compression" and Connect's protocol demand UNIMPLEMENTED. */
const unsupportedEncoding: WireStatus = { grpc: 12, http: 415 };

/** Finds the numbers of one failure; those of "upstream-answered" are the replica's own. */
export function wireStatusOf(error: ScoringError): WireStatus {
  if (error instanceof UpstreamAnsweredError) {
    return { grpc: error.grpcCode, http: httpStatusFromGrpcCode(error.grpcCode) };
  }
  if (error instanceof UnsupportedMediaError && error.isEncoding) return unsupportedEncoding;
  return wireStatus[error.reason];
}
