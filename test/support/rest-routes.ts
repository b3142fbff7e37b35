import {
  healthRoutes,
  openapiRoutes,
} from "../../packages/gateway/src/inbound/protocols/rest/public-routes.ts";
import { restRoutes } from "../../packages/gateway/src/inbound/protocols/rest/routes.ts";
import { tensorflowServingRoutes } from "../../packages/gateway/src/inbound/protocols/tensorflow-serving/routes.ts";

const unused = undefined as never;

/** Every route of plain HTTP but those of the page, as `METHOD /path/{template}`. */
export function routesForDocument(): readonly string[] {
  return [
    ...restRoutes({ limits: unused, clock: unused }),
    ...tensorflowServingRoutes(),
    ...healthRoutes(unused),
    ...openapiRoutes("0"),
  ].map(({ method, path }) => `${method} ${path}`);
}
