import { grpcCode } from "@tensorgate/grpc";

const statuses: ReadonlyMap<number, number> = new Map<number, number>([
  [grpcCode.OK, 200],
  [grpcCode.CANCELLED, 499],
  [grpcCode.INVALID_ARGUMENT, 400],
  [grpcCode.FAILED_PRECONDITION, 400],
  [grpcCode.OUT_OF_RANGE, 400],
  [grpcCode.UNAUTHENTICATED, 401],
  [grpcCode.PERMISSION_DENIED, 403],
  [grpcCode.NOT_FOUND, 404],
  [grpcCode.ALREADY_EXISTS, 409],
  [grpcCode.ABORTED, 409],
  [grpcCode.RESOURCE_EXHAUSTED, 429],
  [grpcCode.UNIMPLEMENTED, 501],
  [grpcCode.UNAVAILABLE, 503],
  [grpcCode.DEADLINE_EXCEEDED, 504],
]);

/** HTTP status by which TensorFlow Serving's REST API answers a gRPC code; 500 for what it does not list. */
export function httpStatusFromGrpcCode(code: number): number {
  return statuses.get(code) ?? 500;
}
