import { cpSync, existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, credentials } from "@grpc/grpc-js";
import { createGateway, type Gateway } from "@tensorgate/gateway";
import { afterAll, beforeAll, describe, test } from "vitest";
import { casesOf, hasCases } from "../support/conformance-cases.ts";
import { freePort } from "../support/nginx.ts";
import { hasPeers, setUpPeer, startPeer } from "../support/peers.ts";
import { expectRestAnswer, expectRpcAnswer, type RestCase, type RpcCase } from "./exchanges.ts";

// Whole exchanges with a gateway in front of a real TensorFlow.

const savedModels = fileURLToPath(new URL("../../../shared/data/savedmodels/", import.meta.url));

/** Folders of the models that the cases ask for. */
const folders: Readonly<Record<string, string>> = {
  default: "saved_model_half_plus_two_cpu",
  half_plus_two: "saved_model_half_plus_two_cpu",
  ModelCase: "saved_model_half_plus_two_cpu",
  half_plus_three: "saved_model_half_plus_three",
  saved_model_half_plus_two_2_versions: "saved_model_half_plus_two_2_versions",
  two_versions: "saved_model_half_plus_two_2_versions",
  tf2: "saved_model_half_plus_two_tf2_cpu",
  counter: "saved_model_counter",
};

/** Why a case is not tried: what the backend here does not have, or where the gateway is more generous. */
const exceptions: readonly { readonly name: RegExp; readonly because: string }[] = [
  { name: /label|docs\/predict-label|Predict\/3$/i, because: "the backend has no version labels" },
  { name: /^(multi|http\/utf8-body)/, because: "no SavedModel of the model multi is there" },
  { name: /encoded-slash-name/, because: "a folder cannot have a slash in its name" },
  {
    name: /^cors-.*\/options|^path\/(root|healthz)|prometheus/,
    because: "preflights, pages and metrics are the gateway's own",
  },
  { name: /^path\/head$/, because: "HEAD is answered as GET" },
  { name: /CustomizedSignatures/, because: "the backend fails at variables of a reference type" },
];

const exceptionFor = (name: string) => exceptions.find((each) => each.name.test(name))?.because;

test.skipIf(hasCases && hasPeers)("exchanges are skipped: cases or peers are not here", () => {});

describe.runIf(hasCases && hasPeers && existsSync(savedModels))("exchanges", () => {
  const stack = new AsyncDisposableStack();
  let missing: string | undefined;
  let gateway: Gateway;
  let client: Client;
  beforeAll(async () => {
    missing = await setUpPeer("tensorflow/setup.sh", ["backend"]);
    if (missing) return;
    const models = mkdtempSync(join(tmpdir(), "tensorgate-models-"));
    stack.defer(() => rmSync(models, { recursive: true, force: true }));
    for (const [name, folder] of Object.entries(folders)) {
      cpSync(join(savedModels, folder), join(models, name), { recursive: true });
      // The cases know it by another version.
      const [from, to] = [join(models, name, "00000123"), join(models, name, "1")];
      if (name === "ModelCase") renameSync(from, to);
    }
    const port = await freePort();
    stack.use(
      await startPeer("tensorflow/start.sh", [String(port), "--versions", "2"], {
        TF_MODELS: models,
      }),
    );
    gateway = createGateway({
      region: "westeurope",
      listen: { port: 0 },
      crossSite: { origins: ["http://example.com"] },
      pools: Object.keys(folders).map((model) => ({
        model,
        region: "westeurope",
        replicas: [`127.0.0.1:${port}`],
      })),
    });
    stack.defer(() => gateway.close(1_000));
    await gateway.listen();
    await gateway.ready();
    client = new Client(`127.0.0.1:${gateway.port}`, credentials.createInsecure());
    stack.defer(() => client.close());
  }, 900_000);
  afterAll(() => stack.disposeAsync());

  test.for(casesOf<RestCase>("rest_handler.jsonl"))(
    "rest_handler.jsonl (gateway, TensorFlow): $name",
    async (each, context) => {
      const because = missing ?? exceptionFor(each.name);
      if (because) return context.skip(because);
      await expectRestAnswer(gateway.port, each, { headers: ["content-type"] });
    },
  );

  test.for(casesOf<RpcCase>("model_server.jsonl"))(
    "model_server.jsonl (gateway, TensorFlow): $name",
    async (each, context) => {
      const because = missing ?? exceptionFor(each.name);
      if (because) return context.skip(because);
      await expectRpcAnswer(client, each);
    },
  );
});
