import { createConfig, lintFromString } from "@redocly/openapi-core";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { routesForDocument } from "../support/rest-routes.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

let running: RunningGateway;
let document: OpenApi;
beforeAll(async () => {
  running = await startBundledGateway();
  document = (await (await fetch(`${running.url}/openapi.json`)).json()) as OpenApi;
});
afterAll(() => running[Symbol.asyncDispose]());

/** The methods of a path of the document. */
const methodsOf = (operations: object) =>
  Object.keys(operations).filter((key) => key !== "parameters");

test("every path and method of the document is routed", async () => {
  const filled = (path: string) =>
    path.replace("{model}", "shapes").replace("{version}", "1").replace("{versionLabel}", "stable");
  expect(Object.keys(document.paths).length).toBeGreaterThan(8);

  for (const [path, operations] of Object.entries(document.paths)) {
    for (const method of methodsOf(operations)) {
      const response = await fetch(`${running.url}${filled(path)}`, { method });
      await response.arrayBuffer();
      expect({ path, method, routed: ![404, 405, 501].includes(response.status) }).toEqual({
        path,
        method,
        routed: true,
      });
    }
  }
});

test("every route is in the document", () => {
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    methodsOf(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );

  expect(documented.toSorted()).toEqual(routesForDocument().toSorted());
});

describe("Redocly's recommended rules", () => {
  async function faultsOf(source: object): Promise<readonly string[]> {
    const config = await createConfig({ extends: ["recommended"] });
    const text = JSON.stringify(source);
    const found = await lintFromString({ source: text, absoluteRef: "openapi.json", config });
    return found.map(
      ({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`,
    );
  }

  test("find neither an error nor a warning", async () => {
    expect(await faultsOf(document)).toEqual([]);
  });

  test("find what is planted", async () => {
    const { components, ...rest } = document;
    const { Problem: _, ...schemas } = components.schemas;

    const faults = await faultsOf({ ...rest, components: { ...components, schemas }, servers: [] });

    expect(faults.join("\n")).toContain("no-empty-servers");
    expect(faults.join("\n")).toContain("no-unresolved-refs");
  });
});

describe("a reply is what the document says", () => {
  const star = () => samplePicture("star");
  const base64 = () => Buffer.from(star()).toString("base64");

  test.each<{
    readonly schema: string;
    readonly path: string;
    readonly method?: string;
    readonly body?: () => Uint8Array | string | FormData;
  }>([
    { schema: "Labels", path: "/v1/classify/shapes", body: star },
    { schema: "Features", path: "/v1/embed/shapes", body: star },
    { schema: "Boxes", path: "/v1/detect/shapes-detector", body: () => samplePicture("scene-2") },
    {
      schema: "Labels",
      path: "/v1/classify/shapes",
      body: () => {
        const form = new FormData();
        form.append("a", new Blob([Uint8Array.from(star())]));
        form.append("b", new Blob(["no picture"]));
        return form;
      },
    },
    { schema: "Catalog", path: "/v1/catalog" },
    { schema: "ModelWithLabels", path: "/v1/catalog/shapes-detector" },
    { schema: "ServingStatus", path: "/v1/models/shapes" },
    { schema: "ServingMetadata", path: "/v1/models/shapes/metadata" },
    {
      schema: "ServingPredictResponse",
      path: "/v1/models/shapes:predict",
      body: () => JSON.stringify({ instances: [{ b64: base64() }] }),
    },
    { schema: "ServingError", path: "/v1/models/nothing" },
    { schema: "InferenceServer", path: "/v2" },
    { schema: "InferenceReady", path: "/v2/models/shapes/ready" },
    { schema: "InferenceMetadata", path: "/v2/models/shapes" },
    { schema: "InferenceConfig", path: "/v2/models/shapes/config" },
    { schema: "InferenceStatistics", path: "/v2/models/shapes/stats" },
    { schema: "InferenceIndex", path: "/v2/repository/index", body: () => "{}" },
    {
      schema: "InferenceResponse",
      path: "/v2/models/shapes/infer",
      body: () =>
        JSON.stringify({
          inputs: [{ name: "images", datatype: "BYTES", shape: [1], data: [{ b64: base64() }] }],
        }),
    },
    { schema: "InferenceError", path: "/v2/models/nothing" },
    { schema: "Problem", path: "/v1/catalog/nothing" },
    { schema: "Problem", path: "/v1/classify/shapes?topK=five", body: star },
    { schema: "Problem", path: "/v1/classify/shapes", body: () => "no picture" },
    { schema: "Problem", path: "/nowhere" },
    { schema: "Problem", path: "/v1/catalog", method: "DELETE" },
  ])("$schema of $path", async ({ schema, path, body, method = body ? "POST" : "GET" }) => {
    const validate = new Ajv2020({ strict: false, validateFormats: false })
      .addSchema(document, "openapi")
      .getSchema(`openapi#/components/schemas/${schema}`);
    const content = body?.();
    const init = { method, ...(content !== undefined && { body: content as BodyInit }) };

    const response = await fetch(running.url + path, init);
    const reply: unknown = await response.json();

    validate?.(reply);
    expect(validate?.errors).toBeNull();
  });
});
