import { type ResolvedRequest, UpstreamFailedError } from "@tensorgate/core";
import { type DialectNames, toWireNames } from "@tensorgate/tf-serving";

/** The one call that every dialect has. */
export const predictPath = "/tensorflow.serving.PredictionService/Predict";

/** A request with its tensors under their names on the wire. */
export function wireRequest(request: ResolvedRequest, names: DialectNames): ResolvedRequest {
  return {
    ...request,
    inputs: toWireNames(request.inputs, names.inputs),
    outputFilter: request.outputFilter.map((name) => names.outputs.get(name) ?? name),
  };
}

/** A reply that cannot be read is the replica's fault, so another one may be asked. */
export function readReply<Answer>(read: () => Answer): Answer {
  try {
    return read();
  } catch (cause) {
    throw new UpstreamFailedError("the replica's reply could not be read", { cause });
  }
}
