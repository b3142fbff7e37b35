import { randomUUID } from "node:crypto";
import {
  type DescMethod,
  type DescMethodUnary,
  fromJson,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { connectErrorFrom } from "@tensorgate/gateway";
import { RegistryService } from "@tensorgate/proto/tensorgate/registry/v1/registry";
import type { AdminRoute } from "../../telemetry/admin-server.ts";
import { jsonLine } from "../version-text.ts";
import { scoringErrorFrom } from "./admin-errors.ts";
import { pathFields, type RegistryAct, registryActs, runAct } from "./registry-acts.ts";
import type { RegistryAdmin } from "./registry-admin.ts";
import { maxRequestBytes } from "./registry-rest.ts";

/** Returns the methods of `tensorgate.registry.v1.RegistryService` as routes, in gRPC, gRPC-Web and Connect. */
export function registryRpcRoutes(admin: RegistryAdmin): readonly AdminRoute[] {
  const methods = Object.values(RegistryService.method);
  const handle = connectNodeAdapter({
    readMaxBytes: maxRequestBytes,
    routes: (router) => {
      for (const method of methods) {
        router.rpc(method as DescMethodUnary, rpcMethod(method, admin));
      }
    },
  });
  return methods.map(({ name }) => ({
    method: "POST",
    path: `/${RegistryService.typeName}/${name}`,
    isLocal: true,
    isRpc: true,
    handle: ({ request, response }) => handle(request, response),
  }));
}

/** Runs an act with the fields of a message as JSON, so that both protocols check and answer alike. */
function rpcMethod({ localName, input, output }: DescMethod, admin: RegistryAdmin) {
  const act: RegistryAct = registryActs[localName as keyof typeof registryActs];
  const names = pathFields(act);
  return async (message: Message, { requestHeader }: HandlerContext): Promise<Message> => {
    try {
      const fields = toJson(input, message) as Readonly<Record<string, JsonValue>>;
      const body = Object.fromEntries(
        Object.entries(fields).filter(([name]) => !names.includes(name)),
      );
      const result = await runAct(act, admin, { values: fields, body });
      const answer = act.holds === undefined ? result : { [act.holds]: result };
      return fromJson(output, JSON.parse(jsonLine(answer)), { ignoreUnknownFields: true });
    } catch (thrown) {
      const requestId = requestHeader.get("x-request-id") ?? randomUUID();
      throw connectErrorFrom(scoringErrorFrom(thrown), requestId);
    }
  };
}
