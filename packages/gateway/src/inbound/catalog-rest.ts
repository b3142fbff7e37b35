import type { CallContext, ModelCatalog, ModelDescription } from "@tensorgate/core";
import { problemReply } from "./problem-json.ts";
import type { RestAnswer, RestRoute } from "./rest-route.ts";

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
      answer: (_exchange, { model = "" }) => {
        const description = catalog.get(model);
        return jsonAnswer({ ...modelJson(description), labels: description.labels });
      },
    },
  ];
}

/** The models that the caller's key is for. */
export function listFor(
  { caller }: CallContext,
  catalog: ModelCatalog,
): readonly ModelDescription[] {
  const all = catalog.list();
  return caller ? all.filter(({ name }) => caller.mayUse(name)) : all;
}

function jsonAnswer(value: object): RestAnswer {
  return { contentType: "application/json", body: `${JSON.stringify(value)}\n` };
}

/** Versions are strings, since JSON numbers lose int64. */
function modelJson({ labels, versions, ...rest }: ModelDescription) {
  return { ...rest, versions: versions.map(String), labelCount: labels.length };
}
