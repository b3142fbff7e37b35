import type { GatewayOptions } from "@tensorgate/gateway";
import { bundledModelsDirectory, findModels, startModelServer } from "@tensorgate/model-server";
import { modelOptionsFromFolder } from "../../packages/cli/src/demo/model-options.ts";

/** Exclusive devices that hold the shapes model, and what a gateway in front of them is told. */
export interface RunningDevices extends AsyncDisposable {
  readonly options: Pick<GatewayOptions, "models" | "pools" | "region">;
}

/** Starts so many devices, each a model server of its own that may hold `shapes` or `shapes-detector`. */
export async function startDevices(count: number): Promise<RunningDevices> {
  const region = "westeurope";
  const models = { directory: bundledModelsDirectory };
  const device = { kind: "exclusive", startWith: "shapes", reconfigureMs: 50 } as const;
  const servers = await Promise.all(
    Array.from({ length: count }, () => startModelServer({ port: 0, models, device })),
  );
  const replicas = servers.map(({ port }) => `127.0.0.1:${port}`);
  return {
    options: {
      region,
      models: findModels(models).map(modelOptionsFromFolder),
      pools: ["shapes", "shapes-detector"].map((model) => ({
        model,
        region,
        replicas,
        exclusive: true,
      })),
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map((server) => server.close(0)));
    },
  };
}
