/** gRPC's status codes. @see https://grpc.io/docs/guides/status-codes/ */
export const grpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** Name of a status code; the number itself where it has none. */
export function grpcCodeName(code: number): string {
  return Object.entries(grpcCode).find(([, number]) => number === code)?.[0] ?? String(code);
}

/** Returns a code that gRPC has: UNKNOWN in place of any other number. */
export function knownGrpcCode(code: number): number {
  const isKnown = Number.isInteger(code) && code >= 0 && code <= grpcCode.UNAUTHENTICATED;
  return isKnown ? code : grpcCode.UNKNOWN;
}

/**
 * Translates the HTTP status of a reply that has no gRPC status.
 *
 * @see gRPC, "HTTP to gRPC Status Code Mapping"
 */
export function grpcCodeFromHttpStatus(httpStatus: number): number {
  return codesByHttpStatus.get(httpStatus) ?? grpcCode.UNKNOWN;
}

const codesByHttpStatus: ReadonlyMap<number, number> = new Map([
  [400, grpcCode.INTERNAL],
  [401, grpcCode.UNAUTHENTICATED],
  [403, grpcCode.PERMISSION_DENIED],
  [404, grpcCode.UNIMPLEMENTED],
  [429, grpcCode.UNAVAILABLE],
  [502, grpcCode.UNAVAILABLE],
  [503, grpcCode.UNAVAILABLE],
  [504, grpcCode.UNAVAILABLE],
]);
