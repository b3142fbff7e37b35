import type { Tensor } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  aliasNames,
  type Dialect,
  families,
  predictResponseSegments,
  type ReceivedPredictRequest,
  readPredictRequest,
  ServingError,
  type TensorNames,
} from "@tensorgate/tf-serving";
import { defaultSignatureName, type Servable } from "../servable.ts";
import { type UnaryMethod, weightsHeader } from "./unary-method.ts";

type FpgaDialect = Exclude<Dialect, "tensorflow-serving">;

/**
 * The one call that a container with a model on an FPGA answers: `Predict`, by the names of the graph. What a
 * request says of model, signature and outputs is not looked at; a reply brings every output, and no model spec.
 */
export function fpgaMethod(model: Servable, dialect: FpgaDialect): UnaryMethod {
  return {
    path: "/tensorflow.serving.PredictionService/Predict",
    headersFor: () => weightsHeader(model.weights),
    method: async (message, isAbandoned) => {
      const request = underAliases(readPredictRequest(message), model, dialect);
      const { outputs } = await model.predict(request, isAbandoned);
      const onWire = [...outputs].map(([alias, tensor]): readonly [string, Tensor] => [
        namesOf(alias, model).on[dialect],
        tensor,
      ]);
      return Buffer.concat(
        predictResponseSegments({ outputs: new Map(onWire), encoding: "content" }),
      );
    },
  };
}

/** @throws ServingError in the container's own words, for any other inputs than those of its graph */
function underAliases(
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
    outputFilter: [],
    inputNames: inputs,
    input: (alias) => request.input(wireNames.get(alias) ?? alias),
  };
}

/** A model that is of no family is taken to have a tensor of the alias's name in its graph. */
function namesOf(alias: string, { family }: Servable): TensorNames {
  const known = family === undefined ? undefined : families.get(family);
  const all = known ? [known.input, ...known.outputs] : [];
  return (
    all.find(({ on }) => on["tensorflow-serving"] === alias) ??
    aliasNames(alias, { alias, raw: `${alias}:0` })
  );
}
