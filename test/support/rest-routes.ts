import type { HttpRoute } from "../../packages/gateway/src/inbound/protocols/http-handler.ts";
import { openInferenceRoutes } from "../../packages/gateway/src/inbound/protocols/open-inference/routes.ts";
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

const inferenceOptions = {
  maxBodyBytes: 1,
  version: "0",
  readiness: unused,
  status: unused,
  statistics: unused,
  clock: unused,
};

/** What is refused with a reason, and a path that OpenAPI cannot tell from that of a model. */
const undocumented = /\/(load|unload)$|sharedmemory|\/trace\/|\/logging$|^\/v2\/models\/stats$/;

/** Every route of plain HTTP but those of the page, as `METHOD /path/{template}`. */
export function routesForDocument(): readonly string[] {
  return [
    ...restRoutes({ limits: unused, clock: unused }),
    ...tensorflowServingRoutes({ maxBodyBytes: 1 }).flatMap(withVersions),
    ...openInferenceRoutes(inferenceOptions).filter(({ path }) => !undocumented.test(path)),
    ...healthRoutes(unused),
    ...openapiRoutes("0"),
  ].map(({ method, path }) => `${method} ${path}`);
}
