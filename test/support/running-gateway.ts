import {
  createGateway,
  type Gateway,
  type GatewayDeps,
  type GatewayOptions,
  type ModelOptions,
} from "@tensorgate/gateway";
import { bundledModelsDirectory, findModels, startModelServer } from "@tensorgate/model-server";
import { modelOptionsFromFolder } from "../../packages/cli/src/demo/model-options.ts";

/** A gateway on a free port; disposing of it stops it and what was started for it. */
export interface RunningGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly url: string;
}

/** What a gateway is told of the shapes model, in full. */
export function shapesModel(): ModelOptions {
  const labels = findModels({ directory: bundledModelsDirectory })[0]?.manifest?.labels ?? [];
  return {
    name: "shapes",
    input: { tensor: "images", kind: "encoded-image", formats: ["jpeg", "png", "webp"] },
    output: { scores: { holds: "probabilities" }, features: { holds: "features" } },
    labels,
    weights: "trained",
  };
}

/** Starts a gateway in front of the replicas at `addresses` by region. */
export async function startGateway(
  addresses: Readonly<Record<string, readonly string[]>>,
  options: Partial<GatewayOptions> = {},
  parts: GatewayDeps = {},
): Promise<RunningGateway> {
  const pools = Object.entries(addresses).map(([region, replicas]) => ({
    model: "shapes",
    region,
    replicas,
  }));
  const running = await openGateway({ pools, ...options }, parts);
  await running.gateway.ready();
  return running;
}

/** Starts a gateway whose pools need not be ready. */
export async function openGateway(
  options: Partial<GatewayOptions> & Pick<GatewayOptions, "pools">,
  parts: GatewayDeps = {},
): Promise<RunningGateway> {
  const gateway = createGateway(
    { region: "westeurope", listen: { port: 0 }, models: [shapesModel()], ...options },
    parts,
  );
  await gateway.listen();
  return { gateway, url: gateway.url, [Symbol.asyncDispose]: () => gateway.close(1_000) };
}

/** A gateway in front of one embedded model server with the shapes model. */
export async function startShapesGateway(
  options: Partial<GatewayOptions> = {},
  parts: GatewayDeps = {},
): Promise<RunningGateway> {
  const server = await startModelServer({
    port: 0,
    models: { directory: bundledModelsDirectory },
  });
  const running = await startGateway({ westeurope: [`127.0.0.1:${server.port}`] }, options, parts);
  return {
    ...running,
    [Symbol.asyncDispose]: async () => {
      await running.gateway.close(1_000);
      await server.close();
    },
  };
}

/** A gateway in front of one embedded model server with every model that comes with it, as the demo has them. */
export async function startBundledGateway(
  options: Partial<GatewayOptions> = {},
  parts: GatewayDeps = {},
): Promise<RunningGateway> {
  const models = { directory: bundledModelsDirectory };
  const server = await startModelServer({ port: 0, models });
  const folders = findModels(models);
  const region = "westeurope";
  const replicas = [`127.0.0.1:${server.port}`];
  const pools = folders.map(({ name: model }) => ({ model, region, replicas }));
  const described = folders.map(modelOptionsFromFolder);
  const running = await startGateway({}, { models: described, pools, ...options }, parts);
  return {
    ...running,
    [Symbol.asyncDispose]: async () => {
      await running.gateway.close(1_000);
      await server.close();
    },
  };
}
