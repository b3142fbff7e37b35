import {
  DeadlineExceededError,
  ForbiddenError,
  ModelNotReadyError,
  NoReplicaError,
  OverloadedError,
  type ScoringError,
  UpstreamFailedError,
} from "@tensorgate/core";
import type { Refusal } from "./dispatcher/events.ts";

export interface RefusalFacts {
  readonly model: string;
  /** Where the model is configured. */
  readonly regions: readonly string[];
  readonly retryAfterMs?: number;
  /** What the last attempt failed with. */
  readonly lastError?: ScoringError | undefined;
}

/** What a caller is told whose request ended without an answer. */
export function refusalError(because: Refusal, facts: RefusalFacts): ScoringError {
  const { model, regions, lastError } = facts;
  const retry = facts.retryAfterMs === undefined ? {} : { retryAfterMs: facts.retryAfterMs };
  switch (because) {
    case "attempt-failed":
      return lastError ?? new NoReplicaError(`no replica of model "${model}" answered`, retry);
    case "deadline":
      return new DeadlineExceededError("the deadline would pass before a replica could answer", {
        hint: "give it a longer deadline, or come again when less is waiting",
      });
    case "residency":
      return new ForbiddenError(
        `residency allows none of the regions of model "${model}": ${regions.join(", ")}`,
        { field: "x-tensorgate-residency" },
      );
    case "model-not-ready":
      return new ModelNotReadyError(`model "${model}" is still being loaded`, {
        ...retry,
        hint: "an FPGA takes minutes; /readyz says more",
      });
    case "no-replica":
      return new NoReplicaError(`no replica of model "${model}" can take a call now`, {
        ...retry,
        hint: "its replicas are out of reach; /readyz and the gateway's log say more",
      });
    case "overloaded":
      return new OverloadedError(`more calls of model "${model}" wait than can be answered`, {
        ...retry,
        ...(lastError && { cause: lastError }),
        hint: "come again after the time that is told; a call of a higher priority waits less",
      });
    case "kills-replicas":
      return new UpstreamFailedError("two replicas lost their connection over this request", {
        cause: lastError,
        hint: "it is not tried at a third one; send something else",
      });
  }
}
