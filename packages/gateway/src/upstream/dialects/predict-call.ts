import { type ResolvedRequest, UpstreamFailedError } from "@tensorgate/core";
import { type Dialect, wireName } from "@tensorgate/tf-serving";

/** The one call that every dialect has. */
export const predictPath = "/tensorflow.serving.PredictionService/Predict";

/** A request with its tensors called as `dialect` calls them. */
export function onWire(request: ResolvedRequest, dialect: Dialect): ResolvedRequest {
  const { inputs, outputs } = request.model.tensorNames;
  const renamed = [...request.inputs].map(
    ([name, tensor]) => [wireName(inputs, name, dialect), tensor] as const,
  );
  return {
    ...request,
    inputs: new Map(renamed),
    outputFilter: request.outputFilter.map((name) => wireName(outputs, name, dialect)),
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
