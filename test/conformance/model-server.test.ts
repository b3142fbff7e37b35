import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { createGateway, type GatewayOptions } from "@tensorgate/gateway";
import { type ModelServer, readModelConfig, startModelServer } from "@tensorgate/model-server";
import { afterAll, beforeAll, describe, test } from "vitest";
import { casesOf, hasCases } from "../support/conformance-cases.ts";
import { servingModelsConfig, writeServingModels } from "../support/serving-models.ts";
import { expectRestAnswer, expectRpcAnswer, type RestCase, type RpcCase } from "./exchanges.ts";

// Whole exchanges with the model server, and with a gateway before it. They need nothing but the cases.

/** Why a case is not tried. */
interface Exception {
  readonly name: RegExp;
  readonly because: string;
}

const gatewayExceptions: readonly Exception[] = [
  { name: /^path\/(root|healthz)$/, because: "pages outside /v1 are the gateway's own" },
  { name: /^path\/head$/, because: "HEAD is answered as GET" },
  { name: /^cors-.*\/options/, because: "preflights are answered to the origins of crossSite" },
  { name: /prometheus/, because: "metrics are on the admin port" },
];

const restCases = casesOf<RestCase>("rest_handler.jsonl");
const rpcCases = casesOf<RpcCase>("model_server.jsonl");

const exceptionFor = (name: string) =>
  gatewayExceptions.find((each) => each.name.test(name))?.because;

test.skipIf(hasCases)("exchanges are skipped: their cases are not here", () => {});

describe.runIf(hasCases)("exchanges", () => {
  const stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-serving-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  let server: ModelServer;
  let crossSite: ModelServer;
  let gatewayPort: number;
  let serverClient: Client;
  let gatewayClient: Client;

  beforeAll(async () => {
    writeServingModels(folder);
    const file = join(folder, "models.config");
    writeFileSync(file, servingModelsConfig(folder));
    const models = [...readModelConfig(servingModelsConfig(folder)), { counter: true as const }];
    const metricsPath = "/monitoring/prometheus/metrics";
    const own = { port: 0, restPort: 0, metricsPath };
    const options = { ...own, models, allowUnavailableLabels: true };
    server = await startModelServer(options);
    stack.defer(() => server.close(0));
    crossSite = await startModelServer({ ...options, restCors: true });
    stack.defer(() => crossSite.close(0));
    const pools: GatewayOptions["pools"] = server.models.map(({ name }) => ({
      model: name,
      region: "westeurope",
      replicas: [`127.0.0.1:${server.port}`],
    }));
    const gateway = createGateway({
      region: "westeurope",
      listen: { port: 0 },
      // What the original does for every origin, a gateway does for those that it is told.
      crossSite: { origins: ["http://example.com"] },
      pools: pools.filter(
        ({ model }, index) => pools.findIndex((each) => each.model === model) === index,
      ),
    });
    stack.defer(() => gateway.close(1_000));
    await gateway.listen();
    await gateway.ready();
    gatewayPort = gateway.port;
    const connected = (port: number) => {
      const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
      stack.defer(() => client.close());
      return client;
    };
    gatewayClient = connected(gateway.port);
    serverClient = connected(server.port);
  });
  afterAll(() => stack.disposeAsync());

  test.for(restCases)("rest_handler.jsonl (gateway): $name", async (each, context) => {
    const because = exceptionFor(each.name);
    if (because) return context.skip(because);
    await expectRestAnswer(gatewayPort, each, { headers: ["content-type"] });
  });

  test.for(rpcCases)("model_server.jsonl (gateway): $name", async (each, context) => {
    const because = exceptionFor(each.name);
    if (because) return context.skip(because);
    await resetCounter(each, gatewayClient);
    await expectRpcAnswer(gatewayClient, each);
  });

  test.for(restCases)("rest_handler.jsonl (model server): $name", async (each) => {
    const port = (each.server.cors ? crossSite : server).restPort ?? 0;
    await expectRestAnswer(port, each, { headers: comparedHeaders });
  });

  test.for(rpcCases)("model_server.jsonl (model server): $name", async (each) => {
    await resetCounter(each, serverClient);
    await expectRpcAnswer(serverClient, each);
  });
});

const comparedHeaders = [
  "content-type",
  "connection",
  "access-control-allow-origin",
  "access-control-allow-methods",
  "access-control-allow-headers",
];

/** The calls of a sequence begin with a server that has not counted yet. */
async function resetCounter({ sequence }: RpcCase, client: Client): Promise<void> {
  if (!sequence?.endsWith(":1")) return;
  const spec = Buffer.concat([
    Buffer.from([0x0a, 7]),
    Buffer.from("counter"),
    Buffer.from([0x1a, 13]),
    Buffer.from("reset_counter"),
  ]);
  const message = Buffer.concat([Buffer.from([0x0a, spec.length]), spec]);
  const bytes = (each: Buffer) => each;
  const path = "/tensorflow.serving.PredictionService/Predict";
  await new Promise<void>((resolve, reject) => {
    client.makeUnaryRequest(path, bytes, bytes, message, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}
