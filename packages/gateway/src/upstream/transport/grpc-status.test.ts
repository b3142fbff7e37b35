import { TooLargeError, UpstreamFailedError } from "@tensorgate/core";
import { expect, test } from "vitest";
import { errorFromGrpcStatus, GrpcStatusError, grpcStatusFrom } from "./grpc-status.ts";

/** Node parses this one, and its types say otherwise. */
const replyStatus = (status: number) => ({ ":status": status as unknown as string });

const errorOf = (httpStatus: number) => {
  const headers = { ...replyStatus(httpStatus), "content-type": "text/html" };
  const status = grpcStatusFrom(headers, {});
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
  { http: 400, code: 13 },
  { http: 401, code: 16 },
  { http: 403, code: 7 },
  { http: 404, code: 12 },
  { http: 405, code: 2 },
  { http: 408, code: 2 },
  { http: 415, code: 2 },
  { http: 500, code: 2 },
  { http: 502, code: 14 },
  { http: 503, code: 14 },
  { http: 504, code: 14 },
])("HTTP status $http of a proxy may be another one elsewhere", ({ http, code }) => {
  const error = errorOf(http);

  expect(error).toBeInstanceOf(UpstreamFailedError);
  expect(error).toMatchObject({ wasLost: false, wasNeverSent: false, isFull: false });
  expect(error.cause).toBeInstanceOf(GrpcStatusError);
  expect(error.cause).toMatchObject({ code, httpStatus: http });
});

test("a proxy that limits the rate has no room, rather than a fault", () => {
  expect(errorOf(429)).toMatchObject({ reason: "upstream-failed", isFull: true });
});

test("a gRPC status wins over the HTTP status that it comes with", () => {
  expect(grpcStatusFrom({ ...replyStatus(503), "grpc-status": "3" }, {})).toMatchObject({
    code: 3,
  });
});

test.each(["", "-1", "17", "1e1", "0x0", "999999999999", "3, 3"])(
  "a status that is no code (%j) is UNKNOWN",
  (text) => {
    expect(grpcStatusFrom({ ...replyStatus(200), "grpc-status": text }, {})?.code).toBe(2);
  },
);

test.each([
  { encoded: "%41".repeat(5_000), begins: "AAAA" },
  { encoded: "%".repeat(15_000), begins: "%%%%" },
  { encoded: "%F0%9F%98%80".repeat(1_250), begins: "\u{1f600}" },
])("a long message is cut for callers and logs: $begins", ({ encoded, begins }) => {
  const status = grpcStatusFrom(replyStatus(200), { "grpc-status": "3", "grpc-message": encoded });

  expect(status?.message.startsWith(begins)).toBe(true);
  expect(status?.message).toHaveLength(1_025);
  expect(status?.message.isWellFormed()).toBe(true);
});
