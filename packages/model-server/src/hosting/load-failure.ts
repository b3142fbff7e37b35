import { grpcCode, grpcCodeName } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { ModelFolderError } from "../manifest.ts";
import type { Failure } from "./version-state.ts";

/** A model that is not served, and why. */
export interface LoadFailure {
  readonly name: string;
  /** Undefined if no version of it was found. */
  readonly version: bigint | undefined;
  readonly failure: Failure;
}

/** The failure as `GetModelStatus` and the response to a reload report it, in one line. */
export function failureFrom(thrown: unknown): Failure {
  if (thrown instanceof ServingError) return { code: thrown.grpcCode, message: thrown.message };
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const message = text.trim().replace(/\s*\n\s*/g, "; ");
  const isFolder = thrown instanceof ModelFolderError;
  return { code: isFolder ? grpcCode.FAILED_PRECONDITION : grpcCode.INTERNAL, message };
}

/** A failure as a line of a log. */
export function failureLine({ name, version, failure }: LoadFailure): string {
  const which = version === undefined ? `model ${name}` : `model ${name}, version ${version},`;
  return `${which} cannot be served: ${failure.message}`;
}

/** The failures of a reload as TensorFlow Serving's call reports them. */
export function reloadError(failures: readonly LoadFailure[]): ServingError {
  const each = failures.map(({ name, version, failure: { code, message } }) => {
    const id = version === undefined ? `{name: ${name}}` : `{name: ${name} version: ${version}}`;
    return `{${id} due to error: ${grpcCodeName(code)}: ${message}}, `;
  });
  return new ServingError(
    grpcCode.UNKNOWN,
    `${failures.length} model(s) did not become available: {${each.join("")}}`,
  );
}
