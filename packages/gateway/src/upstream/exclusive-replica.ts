import { ModelNotReadyError, UpstreamAnsweredError } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { probeNote } from "./probe-note.ts";
import type { Replica } from "./replica.ts";

/**
 * A replica that holds one model at a time. That it does not have another one is no fault of it, nor of the request:
 * the model is not loaded there now. Whoever swaps it, also from another gateway, costs no call: it goes elsewhere.
 */
export function exclusiveReplica(replica: Replica): Replica {
  return {
    ...replica,
    probe: async (model, call) => {
      try {
        return await replica.probe(model, call);
      } catch (thrown) {
        if (isUnknownThere(thrown)) {
          return { isReady: false, versions: [], note: probeNote(thrown) };
        }
        throw thrown;
      }
    },
    score: (request, call) => whileHeld(request.modelSpec.name, () => replica.score(request, call)),
    modelMetadata: (spec, call) => whileHeld(spec.name, () => replica.modelMetadata(spec, call)),
  };
}

async function whileHeld<Answer>(model: string, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (thrown) {
    if (!isUnknownThere(thrown) || !servableIsAway.test(thrown.message)) throw thrown;
    throw new ModelNotReadyError(`model "${model}" is on no device that was asked`, {
      cause: thrown,
    });
  }
}

/** What is not found may also be a signature or an output, of which the request is to blame. */
const servableIsAway = /^Servable not found for request/;

function isUnknownThere(thrown: unknown): thrown is UpstreamAnsweredError {
  return thrown instanceof UpstreamAnsweredError && thrown.grpcCode === grpcCode.NOT_FOUND;
}
