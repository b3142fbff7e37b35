import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { createGateway, type GatewayOptions } from "@tensorgate/gateway";
import { startModelServer } from "@tensorgate/model-server";
import { afterAll, beforeAll, describe, test, vi } from "vitest";
import { hasInferenceCases, inferenceCasesOf } from "../support/conformance-cases.ts";
import { inferenceModelNames, writeInferenceModels } from "../support/inference-models.ts";
import { type InferenceServer, startInferenceServer } from "../support/inference-servers.ts";
import { shapesModel } from "../support/running-gateway.ts";
import { expectOfBackends, type InferenceBackendCase } from "./inference-backends.ts";
import { expectInferenceAnswer, type InferenceRestCase } from "./inference-exchanges.ts";
import {
  expectInferenceRpc,
  expectInferenceStream,
  type InferenceRpcCase,
  type InferenceStreamCase,
} from "./inference-rpcs.ts";

// Whole exchanges by the Open Inference Protocol with a gateway in front of the embedded model server.

const restCases = inferenceCasesOf<InferenceRestCase>("in_rest.jsonl");

/** Cases that are not tried, and why. */
const exceptions: readonly { readonly name: RegExp; readonly because: string }[] = [
  {
    name: /^bytes-(nul|not-utf8)$/,
    because: "ONNX Runtime takes no string with NUL, so the embedded model server refuses it",
  },
];

const exceptionFor = (name: string) => exceptions.find((each) => each.name.test(name))?.because;

test.skipIf(hasInferenceCases)("exchanges are skipped: their cases are not here", () => {});

describe.runIf(hasInferenceCases)("the Open Inference Protocol", () => {
  const stack = new AsyncDisposableStack();
  const ports = { plain: 0, keys: 0 };
  let client: Client;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "tensorgate-inference-"));
    stack.defer(() => rmSync(folder, { recursive: true }));
    writeInferenceModels(folder);
    const server = await startModelServer({ port: 0, models: { directory: folder } });
    stack.defer(() => server.close(0));
    const address = `127.0.0.1:${server.port}`;
    const options: GatewayOptions = {
      region: "here",
      listen: { port: 0 },
      crossSite: { origins: ["https://page.example"] },
      models: [
        shapesModel(),
        ...inferenceModelNames.filter((name) => name !== "shapes").map((name) => ({ name })),
        { name: "absent" },
      ],
      pools: [
        ...inferenceModelNames.map((model) => ({ model, region: "here", replicas: [address] })),
        { model: "absent", region: "here", replicas: ["127.0.0.1:9"] },
      ],
    };
    ports.plain = await listening(options);
    client = new Client(`127.0.0.1:${ports.plain}`, credentials.createInsecure());
    stack.defer(() => client.close());
    ports.keys = await listening({
      ...options,
      keys: [{ id: "peers", sha256: "0".repeat(64), models: ["*"] }],
    });
  });
  afterAll(() => stack.disposeAsync());

  async function listening(options: GatewayOptions): Promise<number> {
    const gateway = createGateway(options);
    stack.defer(() => gateway.close(1_000));
    await gateway.listen();
    // Every pool but that of `absent` can serve.
    const readyModels = () =>
      gateway
        .status()
        .regions.flatMap(({ pools }) => pools)
        .filter(({ replicas }) => replicas.some(({ state }) => state === "ready")).length;
    await vi.waitUntil(() => readyModels() === inferenceModelNames.length, {
      interval: 20,
      timeout: 30_000,
    });
    return gateway.port;
  }

  test.for(restCases)("in_rest.jsonl: $name", async (each, context) => {
    const because = exceptionFor(each.name);
    if (because) return context.skip(because);
    await expectInferenceAnswer(each.server === "keys" ? ports.keys : ports.plain, each);
  });

  test.for(inferenceCasesOf<InferenceRpcCase>("in_grpc.jsonl"))(
    "in_grpc.jsonl: $name",
    async (each, context) => {
      const because = exceptionFor(each.name);
      if (because) return context.skip(because);
      await expectInferenceRpc(client, each);
    },
  );

  test.for(inferenceCasesOf<InferenceStreamCase>("in_grpc_stream.jsonl"))(
    "in_grpc_stream.jsonl: $name",
    (each) => expectInferenceStream(client, each),
  );
});

/** Models that cases ask a real server for; one with all of its models takes a minute to start. */
const realArgs: Readonly<Record<string, readonly string[]>> = {
  triton: ["--only", "shapes,shapes_batched,shapes_fp32_nhwc,shapes_uint8_nchw,half_plus_two"],
};

describe.runIf(hasInferenceCases)("backends of the Open Inference Protocol", () => {
  const stack = new AsyncDisposableStack();
  const started = new Map<string, Promise<InferenceServer>>();
  afterAll(() => stack.disposeAsync());

  function startReal(name: string): Promise<InferenceServer> {
    const running = started.get(name) ?? startInferenceServer(name, stack, realArgs[name]);
    started.set(name, running);
    return running;
  }

  test.for(inferenceCasesOf<InferenceBackendCase>("out.jsonl"))(
    "out.jsonl: $name",
    { timeout: 600_000 },
    async (each, context) => {
      if (each.real === undefined) return await expectOfBackends(each);
      const real = await startReal(each.real.split("/").at(-1) ?? "");
      if ("because" in real) return context.skip(real.because);
      await expectOfBackends(each, `127.0.0.1:${real.grpcPort}`);
    },
  );
});
