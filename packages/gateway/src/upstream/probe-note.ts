import { DeadlineExceededError, ScoringError, UpstreamAnsweredError } from "@tensorgate/core";
import { grpcCodeName } from "@tensorgate/grpc";
import { GrpcStatusError } from "./transport/failures.ts";

/** Details of a probe, as text. */
export interface ProbeNote {
  /** Without addresses and texts of the replica, for clients. */
  readonly message: string;
  /** In full, for the log and for operators. */
  readonly detail: string;
}

/** Longest `detail`, in characters. */
const maxDetailChars = 500;

/**
 * Describes why a probe failed.
 *
 * @param thrown - what `Replica.probe` rejected with
 */
export function probeNote(thrown: unknown): ProbeNote {
  const error = ScoringError.from(thrown);
  const { cause } = error;
  if (cause instanceof GrpcStatusError) return statusNote(cause);
  if (error instanceof UpstreamAnsweredError) {
    return noteOf(grpcCodeName(error.grpcCode), error.message);
  }
  if (error instanceof DeadlineExceededError) return noteOf("no response in time", error.message);
  if (cause === undefined) return noteOf(error.message);
  return noteOf(connectionFault(cause) ?? error.message, textsOf(cause));
}

/** Creates a note. @param detail - for the log */
export function noteOf(message: string, detail = ""): ProbeNote {
  const isMore = detail !== "" && detail !== message;
  return { message, detail: (isMore ? `${message}: ${detail}` : message).slice(0, maxDetailChars) };
}

function statusNote({ code, message, httpStatus }: GrpcStatusError): ProbeNote {
  if (httpStatus === undefined) return noteOf(grpcCodeName(code), message);
  return noteOf(
    isOfOtherServer.has(httpStatus)
      ? `HTTP status ${httpStatus} without a gRPC status: not a gRPC server`
      : `HTTP status ${httpStatus} without a gRPC status: a proxy answered`,
  );
}

/** Statuses of web servers for an unknown path, method or content type. */
const isOfOtherServer: ReadonlySet<number> = new Set([200, 404, 405, 415]);

/** By the code of a system error. */
const connectionFaults: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EPIPE: "connection closed",
  ENOTFOUND: "the name does not resolve",
  EAI_AGAIN: "temporary name resolution failure",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "connection timed out",
  EMFILE: "gateway out of file descriptors",
  ERR_HTTP2_ERROR: "not an HTTP/2 server",
};

/** Describes a connection error. @returns undefined if no cause has a known code */
function connectionFault(thrown: unknown): string | undefined {
  for (const { code } of causes(thrown)) {
    if (typeof code !== "string") continue;
    const known = Object.hasOwn(connectionFaults, code) ? connectionFaults[code] : undefined;
    if (known !== undefined) return known;
    if (/^ERR_(TLS|SSL)_|CERT|^(DEPTH|SELF|UNABLE)_/.test(code)) {
      return `TLS handshake failed (${code})`;
    }
  }
  return undefined;
}

function textsOf(thrown: unknown): string {
  return [...new Set([...causes(thrown)].map(({ message }) => message))].join(": ");
}

/** Maximum length of a chain of causes. */
const maxCauses = 8;

/** An error, what caused it, and so on; of several attempts at one connection, each. */
function* causes(thrown: unknown): Generator<Error & { readonly code?: unknown }> {
  const queue = [thrown];
  for (let count = 0; count < maxCauses; count += 1) {
    const error = queue.shift();
    if (!(error instanceof Error)) return;
    yield error;
    queue.push(...(error instanceof AggregateError ? error.errors : []), error.cause);
  }
}
