import type { HttpRoute } from "../../packages/gateway/src/inbound/protocols/http-handler.ts";
import {
  healthRoutes,
  openapiRoutes,
} from "../../packages/gateway/src/inbound/protocols/rest/public-routes.ts";
import { restRoutes } from "../../packages/gateway/src/inbound/protocols/rest/routes.ts";
import { tensorflowServingRoutes } from "../../packages/gateway/src/inbound/protocols/tensorflow-serving/routes.ts";

const unused = undefined as never;

/** The same route for a version, and for a label. */
function withVersions(route: HttpRoute): readonly HttpRoute[] {
  return ["", "/versions/{version}", "/labels/{versionLabel}"].map((choice) => ({
    ...route,
    path: route.path.replace("{model}", `{model}${choice}`),
  }));
}

/** Every route of plain HTTP but those of the page, as `METHOD /path/{template}`. */
export function routesForDocument(): readonly string[] {
  return [
    ...restRoutes({ limits: unused, clock: unused }),
    ...tensorflowServingRoutes({ maxBodyBytes: 1 }).flatMap(withVersions),
    ...healthRoutes(unused),
    ...openapiRoutes("0"),
  ].map(({ method, path }) => `${method} ${path}`);
}
