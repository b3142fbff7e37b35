import { InvalidRequestError } from "@tensorgate/core";
import { wireStatusOf } from "@tensorgate/gateway";
import { readJsonBody } from "../../telemetry/admin-body.ts";
import { type AdminCall, type AdminRoute, sendText } from "../../telemetry/admin-server.ts";
import { jsonLine } from "../version-text.ts";
import { scoringErrorFrom } from "./admin-errors.ts";
import { pathFields, type RegistryAct, registryActs, runAct } from "./registry-acts.ts";
import type { RegistryAdmin } from "./registry-admin.ts";

/** Longest request, in bytes: labels of a hundred thousand classes fit in. */
export const maxRequestBytes = 4_194_304;

/** Returns the REST routes of the registry. */
export function registryRestRoutes(admin: RegistryAdmin): readonly AdminRoute[] {
  return Object.values(registryActs).map((act) => restRoute(act, admin));
}

function restRoute(act: RegistryAct, admin: RegistryAdmin): AdminRoute {
  const { method, path, status, isText } = act;
  const names = pathFields(act);
  const handle = async (call: AdminCall): Promise<void> => {
    try {
      const values = Object.fromEntries(names.map((name, index) => [name, call.segments[index]]));
      const body = method === "POST" ? await bodyOf(call) : undefined;
      const result = await runAct(act, admin, { values, body });
      if (isText && "log" in result) sendText(call.response, status, String(result.log));
      else sendJsonText(call, status, result);
    } catch (thrown) {
      const error = scoringErrorFrom(thrown);
      const { reason, message, field, hint } = error;
      sendJsonText(call, wireStatusOf(error).http, { reason, error: message, field, hint });
    }
  };
  return { method, path, isLocal: true, handle };
}

async function bodyOf({ request }: AdminCall): Promise<unknown> {
  try {
    return await readJsonBody(request, maxRequestBytes);
  } catch (thrown) {
    throw new InvalidRequestError((thrown as Error).message);
  }
}

/** Versions are strings: numbers in JSON cannot hold an int64. */
function sendJsonText({ response }: AdminCall, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${jsonLine(body)}\n`);
}
