import { InvalidRequestError } from "@tensorgate/core";
import type { RegistryService } from "@tensorgate/proto/tensorgate/registry/v1/registry";
import type { AdminRoute } from "../../telemetry/admin-server.ts";
import type { RegistryAdmin } from "./registry-admin.ts";

/** Something that operators do with a registry. REST routes and RPC methods are made of the same acts. */
export interface RegistryAct {
  readonly method: AdminRoute["method"];
  /** Of the REST route; `:name` is the field of that name in the request of the RPC method. */
  readonly path: string;
  /** HTTP status of a success. */
  readonly status: 200 | 201 | 202;
  /** Field of the RPC method's response that holds the result; otherwise the result has the fields of the response. */
  readonly holds?: "model" | "version" | "job";
  /** Whether REST answers with the log as text. */
  readonly isText?: boolean;
  /** @throws ScoringError */
  run(admin: RegistryAdmin, request: ActRequest): Promise<object>;
}

/** The fields of a request. Those of the path are not empty. */
export interface ActRequest extends Record<PathField, string> {
  /** All other fields, as JSON. The act checks them. */
  readonly body: unknown;
}

export type PathField = "name" | "version" | "alias" | "id";

const models = "/registry/models";
const model = `${models}/:name`;
const version = `${model}/versions/:version`;
const alias = `${model}/aliases/:alias`;
const job = "/registry/jobs/:id";

/** Every act by the name of its RPC method. */
export const registryActs: Readonly<Record<keyof typeof RegistryService.method, RegistryAct>> = {
  listModels: act("GET", models, async (admin) => ({ models: await admin.models() })),
  getModel: act("GET", model, (admin, { name }) => admin.model(name), { holds: "model" }),
  tagModel: act("POST", `${model}/tags`, (admin, { name, body }) => admin.tagModel(name, body), {
    holds: "model",
  }),
  deleteModel: act("DELETE", model, (admin, { name }) => admin.deleteModel(name)),
  registerVersion: act(
    "POST",
    `${model}/versions`,
    (admin, { name, body }) => admin.register(name, body),
    { holds: "version", status: 201 },
  ),
  getVersion: act("GET", version, (admin, request) => admin.version(request), {
    holds: "version",
  }),
  tagVersion: act("POST", `${version}/tags`, (admin, request) => admin.tagVersion(request), {
    holds: "version",
  }),
  deleteVersion: act("DELETE", version, (admin, request) => admin.deleteVersion(request)),
  setAlias: act("POST", alias, (admin, request) => admin.setAlias(request), { holds: "model" }),
  deleteAlias: act("DELETE", alias, (admin, request) => admin.deleteAlias(request), {
    holds: "model",
  }),
  convertVersion: act("POST", `${version}/convert`, (admin, request) => admin.convert(request), {
    holds: "job",
    status: 202,
  }),
  listJobs: act("GET", "/registry/jobs", async (admin) => ({ jobs: await admin.jobs() })),
  getJob: act("GET", job, (admin, { id }) => admin.job(id), { holds: "job" }),
  getJobLog: act("GET", `${job}/log`, async (admin, { id }) => ({ log: await admin.jobLog(id) }), {
    isText: true,
  }),
  cancelJob: act("POST", `${job}/cancel`, (admin, { id }) => admin.cancelJob(id), {
    holds: "job",
  }),
};

function act(
  method: RegistryAct["method"],
  path: string,
  run: RegistryAct["run"],
  rest: Partial<Pick<RegistryAct, "status" | "holds" | "isText">> = {},
): RegistryAct {
  return { method, path, run, status: 200, ...rest };
}

/** Names of the fields in the path of an act, in order. */
export function pathFields({ path }: RegistryAct): readonly string[] {
  return path.split("/").flatMap((part) => (part.startsWith(":") ? [part.slice(1)] : []));
}

/**
 * Runs an act for a protocol.
 *
 * @param values - of the fields in its path, by their names
 * @throws InvalidRequestError if one of them is empty; ScoringError of the act
 */
export async function runAct(
  act: RegistryAct,
  admin: RegistryAdmin,
  { values, body }: { readonly values: Readonly<Record<string, unknown>>; readonly body: unknown },
): Promise<object> {
  const given = Object.fromEntries(
    pathFields(act).map((field) => [field, String(values[field] ?? "")]),
  );
  for (const [field, value] of Object.entries(given)) {
    if (value === "") throw new InvalidRequestError(`${field} is missing`, { field });
  }
  return act.run(admin, { name: "", version: "", alias: "", id: "", ...given, body });
}
