import { catalogRest } from "../../packages/gateway/src/inbound/protocols/rest/catalog.ts";
import { healthRest } from "../../packages/gateway/src/inbound/protocols/rest/health-rest.ts";
import { openapiRest } from "../../packages/gateway/src/inbound/protocols/rest/openapi.ts";
import { picturesRest } from "../../packages/gateway/src/inbound/protocols/rest/routes.ts";
import { tensorflowServingRest } from "../../packages/gateway/src/inbound/protocols/tensorflow-serving/routes.ts";

const unused = undefined as never;

/** Every route of plain HTTP but those of the page, as `METHOD /path/{template}`. */
export function routesForDocument(): readonly string[] {
  return [
    ...picturesRest({
      classify: unused,
      detect: unused,
      embed: unused,
      limits: unused,
      clock: unused,
    }),
    ...catalogRest(unused),
    ...tensorflowServingRest({ modelStatus: unused, modelMetadata: unused }),
    ...healthRest(unused),
    ...openapiRest("0"),
  ].map(({ method, path }) => `${method} ${path}`);
}
