import { type ScoringError, TooLargeError, UpstreamFailedError } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/tf-serving";

/**
 * What an HTTP status without a gRPC status means in gRPC's terms.
 *
 * @see gRPC, "HTTP to gRPC Status Code Mapping"
 */
export function grpcCodeFromHttpStatus(httpStatus: number): number {
  return codes.get(httpStatus) ?? grpcCode.UNKNOWN;
}

const codes: ReadonlyMap<number, number> = new Map([
  [400, grpcCode.INTERNAL],
  [401, grpcCode.UNAUTHENTICATED],
  [403, grpcCode.PERMISSION_DENIED],
  [404, grpcCode.UNIMPLEMENTED],
  [429, grpcCode.UNAVAILABLE],
  [502, grpcCode.UNAVAILABLE],
  [503, grpcCode.UNAVAILABLE],
  [504, grpcCode.UNAVAILABLE],
]);

/** Content, target and header fields that are too long: every replica behind such a proxy would be denied them. */
const saysTooLarge: ReadonlySet<number> = new Set([413, 414, 431]);

/**
 * What an HTTP status without a gRPC status means for the call. A proxy, or a web server that listens at a wrong
 * address, has answered, and the replica has said nothing: it does not blame the request, except for its size.
 */
export function errorFromHttpStatus(httpStatus: number, cause: Error): ScoringError {
  if (saysTooLarge.has(httpStatus)) {
    return new TooLargeError(
      `the request is too large for the proxy before the replica (HTTP status ${httpStatus})`,
      { hint: "send a smaller picture or fewer at once; or raise the limit of that proxy", cause },
    );
  }
  return new UpstreamFailedError(
    `a proxy or web server answered in place of the replica (HTTP status ${httpStatus})`,
    { isFull: httpStatus === 429, cause },
  );
}
