import { defaultSignatureName, type Tensor } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  aliasNames,
  families,
  predictResponseSegments,
  type ReceivedPredictRequest,
  readPredictRequest,
  type ServingDialect,
  ServingError,
  type TensorNames,
} from "@tensorgate/tf-serving";
import type { Servable } from "../servable.ts";
import { type UnaryMethod, weightsHeader } from "./unary-method.ts";

export type FpgaDialect = Exclude<ServingDialect, "tensorflow-serving">;

/**
 * Serves the one method of a container with a model on an FPGA: `Predict`, by the names of the graph. Model, signature
 * and output filter of a request are ignored, and a response has no model spec. A classifier answers with its classes
 * only: clients of such containers name no output and take the only one. Other models answer with every output.
 */
export function fpgaMethod(model: Servable, dialect: FpgaDialect): UnaryMethod {
  return {
    path: "/tensorflow.serving.PredictionService/Predict",
    headersFor: () => weightsHeader(model.weights),
    method: async (message, isAbandoned) => {
      const request = withAliases(readPredictRequest(message), model, dialect);
      const { outputs } = await model.predict(request, isAbandoned);
      const wireOutputs = [...outputs].map(([alias, tensor]): readonly [string, Tensor] => [
        namesOf(alias, model).on[dialect],
        tensor,
      ]);
      return Buffer.concat(
        predictResponseSegments({ outputs: new Map(wireOutputs), encoding: "content" }),
      );
    },
  };
}

/** @throws ServingError with the container's own text, for any other inputs than those of its graph */
function withAliases(
  request: ReceivedPredictRequest,
  model: Servable,
  dialect: FpgaDialect,
): ReceivedPredictRequest {
  const inputs = [...(model.signatures.get(defaultSignatureName)?.inputs.keys() ?? [])];
  const wireNames = new Map(inputs.map((alias) => [alias, namesOf(alias, model).on[dialect]]));
  const isKnown = (name: string) => [...wireNames.values()].includes(name);
  if (request.inputNames.length !== inputs.length || !request.inputNames.every(isKnown)) {
    throw new ServingError(
      grpcCode.UNKNOWN,
      "Object reference not set to an instance of an object.",
    );
  }
  return {
    modelSpec: undefined,
    outputFilter: model.classOutputs.length === 1 ? model.classOutputs : [],
    inputNames: inputs,
    input: (alias) => request.input(wireNames.get(alias) ?? alias),
  };
}

/** Without a family, a tensor of the graph is assumed to have the name of the alias. */
function namesOf(alias: string, { family }: Servable): TensorNames {
  const known = family === undefined ? undefined : families.get(family);
  const all = known ? [known.input, ...known.outputs] : [];
  return (
    all.find(({ on }) => on["tensorflow-serving"] === alias) ??
    aliasNames(alias, { alias, raw: `${alias}:0` })
  );
}
