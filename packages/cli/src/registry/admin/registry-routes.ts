import { InvalidRequestError, type ScoringError } from "@tensorgate/core";
import { wireStatusOf } from "@tensorgate/gateway";
import { readJsonBody } from "../../telemetry/admin-body.ts";
import { type AdminCall, type AdminRoute, sendText } from "../../telemetry/admin-server.ts";
import { jsonLine } from "../version-text.ts";
import { scoringErrorFrom } from "./admin-errors.ts";
import type { RegistryAdmin } from "./registry-admin.ts";

/** Longest request, in bytes: labels of a hundred thousand classes fit in. */
const maxBytes = 4_194_304;

/** Returns the registry routes of the admin port. Only programs on this machine may call them. */
export function registryRoutes(admin: RegistryAdmin): readonly AdminRoute[] {
  const models = "/registry/models";
  const versions = `${models}/:name/versions`;
  const version = `${versions}/:version`;
  const job = "/registry/jobs/:id";
  return [
    route("GET", models, async () => ({ models: await admin.models() })),
    route("GET", `${models}/:name`, ([name]) => admin.model(name)),
    route("POST", `${models}/:name/tags`, ([name], body) => admin.annotateModel(name, body)),
    route("DELETE", `${models}/:name`, ([name]) => admin.deleteModel(name)),
    route("POST", versions, ([name], body) => admin.register(name, body), 201),
    route("GET", version, ([name, at]) => admin.version(name, at)),
    route("POST", `${version}/tags`, ([name, at], body) => admin.annotateVersion(name, at, body)),
    route("DELETE", version, ([name, at]) => admin.deleteVersion(name, at)),
    route("POST", `${models}/:name/aliases/:alias`, ([name, alias], body) =>
      admin.setAlias(name, alias, body),
    ),
    route("DELETE", `${models}/:name/aliases/:alias`, ([name, alias]) =>
      admin.removeAlias(name, alias),
    ),
    route("POST", `${version}/convert`, ([name, at], body) => admin.convert(name, at, body), 202),
    route("GET", "/registry/jobs", async () => ({ jobs: await admin.jobs() })),
    route("GET", job, ([id]) => admin.job(id)),
    route("POST", `${job}/cancel`, ([id]) => admin.cancelJob(id)),
    {
      method: "GET",
      path: `${job}/log`,
      isLocal: true,
      handle: (call) =>
        explained(call, async () => {
          sendText(call.response, 200, await admin.jobLog(call.segments[0] ?? ""));
        }),
    },
  ];
}

type Segments = readonly [string, string];

function route(
  method: AdminRoute["method"],
  path: string,
  run: (segments: Segments, body: unknown) => Promise<object>,
  status = 200,
): AdminRoute {
  const handle = (call: AdminCall) =>
    explained(call, async () => {
      const [first = "", second = ""] = call.segments;
      const body = method === "POST" ? await bodyOf(call) : undefined;
      sendJsonText(call, status, await run([first, second], body));
    });
  return { method, path, isLocal: true, handle };
}

async function bodyOf({ request }: AdminCall): Promise<unknown> {
  try {
    return await readJsonBody(request, maxBytes);
  } catch (thrown) {
    throw new InvalidRequestError((thrown as Error).message);
  }
}

async function explained(call: AdminCall, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (thrown) {
    const error: ScoringError = scoringErrorFrom(thrown);
    const { reason, cause, field, hint } = error;
    // Callers are operators: they may see why a file cannot be written.
    const text = cause instanceof Error ? cause.message : error.message;
    sendJsonText(call, wireStatusOf(error).http, { reason, error: text, field, hint });
  }
}

/** Versions are strings: numbers in JSON cannot hold an int64. */
function sendJsonText({ response }: AdminCall, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${jsonLine(body)}\n`);
}
