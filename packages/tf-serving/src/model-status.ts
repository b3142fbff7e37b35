import { create } from "@bufbuild/protobuf";
import type { ModelStatus, VersionState } from "@tensorgate/core";
import {
  type GetModelStatusResponse,
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";

/** Each state and its number on the wire. */
export const stateNumbers: Readonly<Record<VersionState, State>> = {
  unknown: State.UNKNOWN,
  starting: State.START,
  loading: State.LOADING,
  available: State.AVAILABLE,
  unloading: State.UNLOADING,
  ended: State.END,
};

const statesByNumber: ReadonlyMap<number, VersionState> = new Map(
  Object.entries(stateNumbers).map(([state, number]) => [number, state as VersionState]),
);

/** Reads an answer to `GetModelStatus`. */
export function modelStatusFromResponse({
  modelVersionStatus,
}: GetModelStatusResponse): ModelStatus {
  return {
    versions: modelVersionStatus.map(({ version, state, status }) => ({
      version,
      state: statesByNumber.get(state) ?? "unknown",
      errorCode: status?.errorCode ?? 0,
      errorMessage: status?.errorMessage ?? "",
    })),
  };
}

/** A status as `GetModelStatus` answers it. */
export function modelStatusResponse({ versions }: ModelStatus): GetModelStatusResponse {
  return create(GetModelStatusResponseSchema, {
    modelVersionStatus: versions.map(({ version, state, errorCode, errorMessage }) => ({
      version,
      state: stateNumbers[state],
      // The server always writes it, also where all is well.
      status: { errorCode, errorMessage },
    })),
  });
}

/** Name of a state as TensorFlow Serving writes it, such as `AVAILABLE`. */
export function stateName(state: VersionState): string {
  return State[stateNumbers[state]];
}
