import { TooLargeError, UpstreamFailedError } from "@tensorgate/core";
import { readStatus } from "@tensorgate/grpc";
import { expect, test } from "vitest";
import { attemptFailure } from "../../routing/attempt-failure.ts";
import { errorFromGrpcStatus, GrpcStatusError } from "./failures.ts";

/** Node parses this one, and its types say otherwise. */
const replyStatus = (status: number) => ({ ":status": status as unknown as string });

const errorOf = (httpStatus: number) => {
  const headers = { ...replyStatus(httpStatus), "content-type": "text/html" };
  const status = readStatus(headers, {});
  if (!status) throw new Error("no status");
  return errorFromGrpcStatus(status);
};

test.each([413, 414, 431])(
  "HTTP status %i of a proxy is the request's fault: too large",
  (http) => {
    expect(errorOf(http)).toBeInstanceOf(TooLargeError);
  },
);

test.each([
  { http: 200, code: 2 },
  { http: 302, code: 2 },
  { http: 401, code: 16 },
  { http: 404, code: 12 },
  { http: 405, code: 2 },
  { http: 407, code: 2 },
  { http: 408, code: 2 },
  { http: 415, code: 2 },
  { http: 421, code: 2 },
  { http: 500, code: 2 },
  { http: 502, code: 14 },
  { http: 503, code: 14 },
  { http: 504, code: 14 },
])("HTTP status $http of a proxy may be another one elsewhere", ({ http, code }) => {
  const error = errorOf(http);

  expect(error).toBeInstanceOf(UpstreamFailedError);
  expect(error).toMatchObject({ wasLost: false, isUnprocessed: false, isFull: false });
  expect(error.cause).toBeInstanceOf(GrpcStatusError);
  expect(error.cause).toMatchObject({ code, httpStatus: http });
});

test.each([
  { http: 400, grpcCode: 3 },
  { http: 403, grpcCode: 7 },
  { http: 406, grpcCode: 3 },
  { http: 411, grpcCode: 3 },
  { http: 422, grpcCode: 3 },
  { http: 451, grpcCode: 3 },
])(
  "HTTP status $http of a proxy is the request's fault, wherever it goes",
  ({ http, grpcCode }) => {
    const error = errorOf(http);

    expect(error).toMatchObject({ reason: "upstream-answered", grpcCode });
    expect(attemptFailure(error)).toBeUndefined();
  },
);

test("a proxy that limits the rate has no room, rather than a fault", () => {
  expect(errorOf(429)).toMatchObject({ reason: "upstream-failed", isFull: true });
});

test.each([
  { encoded: "%41".repeat(5_000), begins: "AAAA" },
  { encoded: "%".repeat(15_000), begins: "%%%%" },
  { encoded: "%F0%9F%98%80".repeat(1_250), begins: "\u{1f600}" },
])("a long message is cut for callers and logs: $begins", ({ encoded, begins }) => {
  const status = readStatus(replyStatus(200), { "grpc-status": "3", "grpc-message": encoded });
  if (!status) throw new Error("no status");
  const { message } = errorFromGrpcStatus(status);

  expect(message.startsWith(begins)).toBe(true);
  expect(message).toHaveLength(1_025);
  expect(message.isWellFormed()).toBe(true);
});

test("a missing message is said to be missing", () => {
  const status = readStatus(replyStatus(200), { "grpc-status": "5" });
  if (!status) throw new Error("no status");

  expect(errorFromGrpcStatus(status)).toMatchObject({
    reason: "upstream-answered",
    message: "the replica returned NOT_FOUND without a message",
  });
});

test("a server that lacks a method and says nothing is said to lack it", () => {
  const status = readStatus(replyStatus(200), { "grpc-status": "12" });
  if (!status) throw new Error("no status");

  expect(
    errorFromGrpcStatus(status, "/tensorflow.serving.PredictionService/Predict"),
  ).toMatchObject({
    message: "the replica does not have the method tensorflow.serving.PredictionService/Predict",
  });
});
