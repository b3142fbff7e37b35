import { Code, ConnectError } from "@connectrpc/connect";
import {
  foreignAnswerError,
  retryAfterMsFrom,
  unreachableError,
  type WireCodes,
} from "@tensorgate/client-core";
import {
  errorByReason,
  InvalidRequestError,
  ScoringError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { ErrorInfoSchema, RetryInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { maxReplyBytes } from "./reply-limit.ts";

/** How the library begins what it says of a message that cannot be sent: a topK of 1.5, say. */
const unsent = "serialize binary: ";

/** What the transport threw, in our own words. */
export function errorFromTransport(thrown: unknown): ScoringError {
  if (ScoringError.is(thrown)) return thrown;
  if (!(thrown instanceof ConnectError)) return unreachable(thrown);
  if (thrown.rawMessage.startsWith(unsent)) {
    return new InvalidRequestError(thrown.rawMessage.slice(unsent.length), { cause: thrown });
  }
  if (thrown.code === Code.ResourceExhausted && thrown.rawMessage.includes("readMaxBytes")) {
    return new UpstreamFailedError(`the answer has more than ${maxReplyBytes} bytes`, {
      cause: thrown,
    });
  }
  const [info] = thrown.findDetails(ErrorInfoSchema);
  const { rawMessage: message, code: grpcCode } = thrown;
  if (info?.domain !== "tensorgate") return foreign(thrown);
  const [retry] = thrown.findDetails(RetryInfoSchema);
  const { hint, field } = info.metadata;
  const { seconds, nanos } = retry?.retryDelay ?? { seconds: undefined, nanos: 0 };
  return errorByReason(info.reason, {
    message,
    grpcCode,
    cause: thrown,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    ...(seconds !== undefined && { retryAfterMs: Number(seconds) * 1_000 + nanos / 1e6 }),
  });
}

/** gRPC's code of a failure, or HTTP's where somebody else answered. */
export function wireCodesOf({ cause }: ScoringError): WireCodes {
  if (!(cause instanceof ConnectError)) return {};
  const [info] = cause.findDetails(ErrorInfoSchema);
  const status = info === undefined ? foreignStatus(cause) : undefined;
  return { grpcCode: cause.code, ...(status !== undefined && { status }) };
}

/**
 * HTTP's status for the codes that the library makes of an answer which is none of the protocol's.
 * @see Connect protocol, "HTTP to Error Code"
 */
const statusOfCode: ReadonlyMap<Code, number> = new Map([
  [Code.Internal, 400],
  [Code.Unauthenticated, 401],
  [Code.PermissionDenied, 403],
  [Code.Unimplemented, 404],
  [Code.DeadlineExceeded, 504],
]);

/** Somebody else answered, or nobody: the library says both by a code of its own. */
function foreign(error: ConnectError): ScoringError {
  const status = foreignStatus(error);
  if (status === undefined || isSystemError(error.cause)) return unreachable(error);
  const retryAfterMs = retryAfterMsFrom(error.metadata.get("retry-after"), Date.now());
  return foreignAnswerError(status, {
    text: `the answer is not a gateway's: ${error.rawMessage}`,
    cause: error,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** HTTP's status of what somebody else answered; undefined where nobody did. */
function foreignStatus({ rawMessage, code }: ConnectError): number | undefined {
  // The library's code for it is the same for a proxy that is busy and for one whose own time-out is over.
  const [, told] = /^HTTP (\d{3})$/.exec(rawMessage) ?? [];
  if (told !== undefined) return Number(told);
  return rawMessage.startsWith("unsupported content type") ? 200 : statusOfCode.get(code);
}

function isSystemError(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string";
}

/** What a refused certificate or handshake is called by Node. */
const tlsCodes = /CERT|VERIFY|SELF_SIGNED|ALTNAME|SSL|TLS|EPROTO/;

function unreachable(thrown: unknown): ScoringError {
  const text = (thrown instanceof ConnectError ? thrown.rawMessage : String(thrown)).trim();
  const cause = thrown instanceof ConnectError ? thrown.cause : thrown;
  const code = isSystemError(cause) ? String((cause as { code?: string }).code) : "";
  const hint = hintFor(code);
  return unreachableError(text, { cause: thrown, ...(hint && { hint }) });
}

function hintFor(code: string): string | undefined {
  if (tlsCodes.test(code)) {
    return "is it https where http is spoken, or a certificate that is not trusted here? NODE_EXTRA_CA_CERTS names who signed it";
  }
  if (code.startsWith("ERR_HTTP2")) {
    return 'is HTTP/2 spoken there? transport: "connect" passes what speaks HTTP/1.1 only';
  }
  return undefined;
}
