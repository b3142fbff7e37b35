import type { AdminRoute } from "../../telemetry/admin-server.ts";
import type { RegistryAdmin } from "./registry-admin.ts";
import { registryRestRoutes } from "./registry-rest.ts";
import { registryRpcRoutes } from "./registry-rpc.ts";

/** Returns the routes of the registry for the admin port. Only programs on this machine may call them. */
export function registryRoutes(admin: RegistryAdmin): readonly AdminRoute[] {
  return [...registryRestRoutes(admin), ...registryRpcRoutes(admin)];
}
