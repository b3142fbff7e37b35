import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import openapiTypes, { astToString, type OpenAPI3 } from "openapi-typescript";
import { afterAll, expect, test } from "vitest";
import { openapiDocument } from "../../packages/gateway/src/inbound/protocols/rest/openapi/document.ts";

const bin = fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tensorgate-openapi-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Members that are always there are read without a question mark; those that may be absent are not. */
const client = `
import type { components, operations } from "./openapi.ts";

type Reply<Name extends keyof operations> =
  operations[Name]["responses"] extends { 200: { content: { "application/json": infer Body } } }
    ? Body
    : never;
type Schemas = components["schemas"];

export function bestLabel({ results }: Reply<"classify">): string {
  const [first] = results;
  if (!first || "error" in first) return first?.error.reason ?? "nothing";
  return first.labels.map(({ label, score }) => label + score.toFixed(2)).join();
}
export const area = ({ results }: Reply<"detect">): number[] =>
  results.flatMap((each) =>
    "boxes" in each ? each.boxes.map(({ box }) => (box.width * box.height) / each.image.width) : [],
  );
export const names = ({ models }: Reply<"listModels">): string[] =>
  models.map(({ name, task, versions, labelCount }) => name + task + versions.join() + labelCount.toFixed());
export const labels = ({ labels }: Reply<"getModel">): string[] => labels;
export const states = ({ model_version_status }: Reply<"servingStatusOfVersion">): string[] =>
  model_version_status.map(({ version, state, status }) => version + state + status.error_code);
export function adviceOf({ detail, reason, requestId, hint }: Schemas["Problem"]): string {
  if (reason === "overloaded") return requestId.trim();
  // @ts-expect-error A hint may be absent.
  hint.trim();
  return detail;
}
export const parameters: operations["classify"]["parameters"] = {
  path: { model: "shapes" },
  query: { topK: 3 },
};
`;

test("types that openapi-typescript generates have no undefined where there is none", async () => {
  const types = astToString(await openapiTypes(openapiDocument("0.0.0") as OpenAPI3));
  writeFileSync(join(folder, "openapi.ts"), types);
  writeFileSync(join(folder, "client.ts"), client);
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: "es2024",
    module: "nodenext",
    types: [],
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
  };
  const config = { compilerOptions, files: ["client.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));

  await promisify(execFile)(join(bin, "tsc"), ["-p", folder]).catch(
    ({ stdout }: { stdout: string }) => expect.fail(stdout),
  );
}, 60_000);
