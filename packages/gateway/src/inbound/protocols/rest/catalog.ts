import type { CallContext, ModelCatalog, ModelDescription } from "@tensorgate/core";
import { assertMayUse } from "../../access/authentication.ts";
import type { RestAnswer, RestRoute } from "../http-route.ts";
import { problemReply } from "./errors.ts";

/** `GET /v1/catalog` and `/v1/catalog/{model}`. */
export function catalogRest(catalog: ModelCatalog): readonly RestRoute[] {
  return [
    {
      method: "GET",
      path: "/v1/catalog",
      errorReply: problemReply,
      answer: (_exchange, _params, call) =>
        jsonAnswer({ models: listFor(call, catalog).map(modelJson) }),
    },
    {
      method: "GET",
      path: "/v1/catalog/{model}",
      errorReply: problemReply,
      answer: (_exchange, { model = "" }, call) => {
        const description = modelFor(call, catalog, model);
        return jsonAnswer({ ...modelJson(description), labels: description.labels });
      },
    },
  ];
}

/** The models that the caller's key is for, as far as its calls may be served. */
export function listFor(call: CallContext, catalog: ModelCatalog): readonly ModelDescription[] {
  const { caller, wishes } = call;
  const all = catalog.list(wishes.residency);
  return caller ? all.filter(({ name }) => caller.mayUse(name)) : all;
}

/**
 * @throws ForbiddenError if the caller's key is not for the model
 * @throws UnknownModelError with the nearest names
 */
export function modelFor(call: CallContext, catalog: ModelCatalog, name: string): ModelDescription {
  assertMayUse(call, name);
  return catalog.get(name, call.wishes.residency);
}

function jsonAnswer(value: object): RestAnswer {
  return { contentType: "application/json", body: `${JSON.stringify(value)}\n` };
}

/** Versions are strings, since JSON numbers lose int64. */
function modelJson({ labels, versions, ...rest }: ModelDescription) {
  return { ...rest, versions: versions.map(String), labelCount: labels.length };
}
