import { Code, ConnectError } from "@connectrpc/connect";
import {
  CancelledError,
  DeadlineExceededError,
  InvalidRequestError,
  listedNames,
  NotSupportedError,
  type ScoringError,
  TooLargeError,
} from "@tensorgate/core";
import { ErrorInfoSchema, RetryInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { errorHeaders } from "../call.ts";
import { wireStatusOf } from "../wire-status.ts";

/**
 * A failure as Connect, gRPC and gRPC-Web carry it: its code, and reason and pushback as details.
 * Connect derives its HTTP status from the code, so it is given none.
 */
export function connectErrorFrom(
  error: ScoringError,
  requestId: string,
  headers: Readonly<Record<string, string>> = errorHeaders(error, requestId),
): ConnectError {
  const { reason, hint, field, retryAfterMs, message } = error;
  const metadata = {
    requestId,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
  };
  const details = [
    { desc: ErrorInfoSchema, value: { reason, domain: "tensorgate", metadata } },
    ...(retryAfterMs === undefined ? [] : [retryInfo(retryAfterMs)]),
  ];
  return new ConnectError(message, wireStatusOf(error).grpc as Code, { ...headers }, details);
}

function retryInfo(retryAfterMs: number) {
  const wholeMs = Math.ceil(retryAfterMs);
  const retryDelay = {
    seconds: BigInt(Math.floor(wholeMs / 1_000)),
    nanos: (wholeMs % 1_000) * 1_000_000,
  };
  return { desc: RetryInfoSchema, value: { retryDelay } };
}

/** Why Connect ended a call: its timer of the deadline may run before ours. */
export function reasonOfAbort(reason: unknown): ScoringError {
  if (reason instanceof ConnectError && reason.code === Code.DeadlineExceeded) {
    return new DeadlineExceededError("deadline exceeded", { cause: reason });
  }
  return new CancelledError("the client closed the request", { cause: reason });
}

export function messageTooLong(maxBytes: number): TooLargeError {
  return new TooLargeError(`the message is longer than ${maxBytes} bytes`, {
    hint: "send fewer or smaller pictures",
  });
}

export function messageCutShort(): InvalidRequestError {
  return new InvalidRequestError("the last message is truncated");
}

export function noMessage(): NotSupportedError {
  return new NotSupportedError("the method takes exactly one message, and the body has none");
}

export function onlyOneMessage(): NotSupportedError {
  return new NotSupportedError("the method takes exactly one message");
}

export function unknownFlags(flags: number): InvalidRequestError {
  return new InvalidRequestError(`unknown message flags ${flags}`);
}

export function undeclaredEncoding(): InvalidRequestError {
  return new InvalidRequestError("the message is compressed, but no header declares the encoding", {
    field: "grpc-encoding",
  });
}

/** @param typeName - what the bytes should be */
export function undecodable(typeName: string, cause: unknown): InvalidRequestError {
  const detail = cause instanceof Error ? `: ${cause.message.slice(0, 200)}` : "";
  return new InvalidRequestError(`the message cannot be decoded as ${typeName}${detail}`, {
    cause,
  });
}

/** Longest part of a path that a message repeats. */
const maxPathChars = 200;

/**
 * Creates the text for a path that is no method: with the methods of its service, or else the services there are.
 *
 * @param paths - of the methods, such as `/tensorgate.v1.ScoringService/Classify`
 */
export function unknownMethodText(paths: Iterable<string>): (path: string) => string {
  const services = Map.groupBy([...paths].toSorted(), (path) => path.split("/")[1] ?? "");
  return (path) => {
    const text = `unknown method ${path.slice(0, maxPathChars)}`;
    const [, service = ""] = path.split("/");
    const methods = services.get(service)?.map((each) => each.split("/")[2] ?? "");
    return methods
      ? `${text}; ${service} has ${listedNames(methods)}`
      : `${text}; there are the services ${listedNames(services.keys())}`;
  };
}
