import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus } from "@connectrpc/connect/protocol-connect";
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
import type { ClientOptions } from "./options.ts";
import { maxReplyBytes } from "./reply-limit.ts";

/** Prefix of the library's errors for a message that cannot be sent, such as one with a topK of 1.5. */
const unsent = "serialize binary: ";

/** Converts an error of the transport to a ScoringError. */
export function errorFromTransport(thrown: unknown): ScoringError {
  if (ScoringError.is(thrown)) return thrown;
  if (!(thrown instanceof ConnectError)) return unreachable(thrown);
  if (thrown.rawMessage.startsWith(unsent)) {
    return new InvalidRequestError(thrown.rawMessage.slice(unsent.length), { cause: thrown });
  }
  if (thrown.code === Code.ResourceExhausted && thrown.rawMessage.includes("readMaxBytes")) {
    return new UpstreamFailedError(`the response is longer than ${maxReplyBytes} bytes`, {
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

/**
 * Returns the gRPC code of a failure and the HTTP status of its response. Over gRPC only a response that is not from a
 * gateway has such a status.
 */
export function wireCodesOf(
  { cause }: ScoringError,
  transport: ClientOptions["transport"],
): WireCodes {
  if (!(cause instanceof ConnectError)) return {};
  const [info] = cause.findDetails(ErrorInfoSchema);
  const ofGateway = transport === "connect" ? codeToHttpStatus(cause.code) : undefined;
  const status = info === undefined ? foreignStatus(cause) : ofGateway;
  return { grpcCode: cause.code, ...(status !== undefined && { status }) };
}

/**
 * HTTP statuses by the codes that the library gives responses outside the protocol.
 * @see Connect protocol, "HTTP to Error Code"
 */
const statusOfCode: ReadonlyMap<Code, number> = new Map([
  [Code.Internal, 400],
  [Code.Unauthenticated, 401],
  [Code.PermissionDenied, 403],
  [Code.Unimplemented, 404],
  [Code.DeadlineExceeded, 504],
]);

/** Returns the error for a response that is not from a gateway, or for no response: the library has codes for both. */
function foreign(error: ConnectError): ScoringError {
  const status = foreignStatus(error);
  if (status === undefined || isSystemError(error.cause)) return unreachable(error);
  const retryAfterMs = retryAfterMsFrom(error.metadata.get("retry-after"), Date.now());
  return foreignAnswerError(status, {
    text: `the response is not from a gateway: ${error.rawMessage}`,
    cause: error,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** Returns the HTTP status of a response that is not from a gateway; undefined if there was no response. */
function foreignStatus({ rawMessage, code }: ConnectError): number | undefined {
  // The library's code is the same for a busy proxy and for one that timed out.
  const [, statusText] = /^HTTP (\d{3})$/.exec(rawMessage) ?? [];
  if (statusText !== undefined) return Number(statusText);
  return rawMessage.startsWith("unsupported content type") ? 200 : statusOfCode.get(code);
}

function isSystemError(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string";
}

/** Node's error codes for a rejected certificate or handshake. */
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
    return "check http or https; if the certificate is not trusted, set NODE_EXTRA_CA_CERTS to the CA's certificate";
  }
  if (code.startsWith("ERR_HTTP2")) {
    return 'the server or a proxy may not support HTTP/2; transport: "connect" uses HTTP/1.1';
  }
  return undefined;
}
