import { cpSync, existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRegistry, type DescMessage, fromBinary, toJson } from "@bufbuild/protobuf";
import { type Client, credentials, makeGenericClientConstructor, status } from "@grpc/grpc-js";
import { createGateway, type Gateway } from "@tensorgate/gateway";
import { SignatureDefMapSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { ModelService } from "@tensorgate/proto/tensorflow_serving/model_service";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { casesOf, hasCases } from "../support/conformance-cases.ts";
import { freePort } from "../support/nginx.ts";
import { hasPeers, setUpPeer, startPeer } from "../support/peers.ts";

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
    name: /^cors-|^path\/(root|healthz)|prometheus/,
    because: "CORS, pages and metrics are the gateway's own",
  },
  { name: /^path\/head$/, because: "HEAD is answered as GET" },
  { name: /CustomizedSignatures/, because: "the backend fails at variables of a reference type" },
  { name: /connection-close|http10/, because: "how connections end is the gateway's own" },
];

const exceptionFor = (name: string) => exceptions.find((each) => each.name.test(name))?.because;

interface RestCase {
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly body_b64?: string;
  };
  readonly expect: {
    readonly status: number;
    readonly body?: string;
    readonly error_contains?: readonly string[];
  };
}

interface RpcCase {
  readonly name: string;
  readonly method: string;
  readonly request_b64: string;
  readonly expect: {
    readonly code: keyof typeof status;
    readonly message?: string;
    readonly message_prefix?: string;
    readonly contains?: readonly string[];
    readonly response_b64?: string;
  };
}

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
      pools: Object.keys(folders).map((model) => ({
        model,
        region: "westeurope",
        replicas: [`127.0.0.1:${port}`],
      })),
    });
    stack.defer(() => gateway.close(1_000));
    await gateway.listen();
    await gateway.ready();
    const Generic = makeGenericClientConstructor({}, "generic");
    client = new Generic(`127.0.0.1:${gateway.port}`, credentials.createInsecure());
    stack.defer(() => client.close());
  }, 900_000);
  afterAll(() => stack.disposeAsync());

  test.for(casesOf<RestCase>("rest_handler.jsonl"))(
    "rest_handler.jsonl: $name",
    async ({ name, request, expect: wanted }, context) => {
      const because = missing ?? exceptionFor(name);
      if (because) return context.skip(because);
      const { method, path, headers, body, body_b64 } = request;
      const sent =
        body_b64 === undefined ? Buffer.from(body ?? "") : Buffer.from(body_b64, "base64");
      const got = await exchanged(gateway.port, { method, path, headers, body: sent });
      expect(got.status).toBe(wanted.status);
      // Members of an object have no certain order there.
      if (wanted.body?.includes('"metadata"')) {
        expect(JSON.parse(got.body)).toEqual(JSON.parse(wanted.body));
      } else if (wanted.body !== undefined) expect(got.body).toBe(wanted.body);
      for (const part of wanted.error_contains ?? []) expect(got.body).toContain(part);
    },
  );

  test.for(casesOf<RpcCase>("model_server.jsonl"))(
    "model_server.jsonl: $name",
    async ({ name, method, request_b64, expect: wanted }, context) => {
      const because = missing ?? exceptionFor(name);
      if (because) return context.skip(because);
      const got = await called(client, method, Buffer.from(request_b64, "base64"));
      const { code, message, message_prefix, contains = [] } = wanted;
      expect(status[got.code], got.details).toBe(code);
      if (message !== undefined) expect(got.details).toBe(message);
      if (message_prefix !== undefined) expect(got.details.startsWith(message_prefix)).toBe(true);
      for (const part of contains) expect(got.details).toContain(part);
      if (wanted.response_b64 === undefined || !got.response) return;
      const json = (bytes: Uint8Array) => responseJson(method, bytes);
      expect(json(got.response)).toEqual(json(Buffer.from(wanted.response_b64, "base64")));
    },
  );
});

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function exchanged(port: number, { method, path, headers, body }: Sent) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const request = http.request(
      { host: "127.0.0.1", port, method, path, headers: { ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

function called(client: Client, method: string, message: Buffer) {
  const bytes = (each: Buffer) => each;
  return new Promise<{ code: number; details: string; response?: Buffer }>((resolve) => {
    client.makeUnaryRequest(method, bytes, bytes, message, (error, response) => {
      if (error) resolve({ code: error.code, details: error.details });
      else resolve({ code: status.OK, details: "", ...(response && { response }) });
    });
  });
}

const registry = createRegistry(SignatureDefMapSchema);

/** A response of whatever method, comparable. */
function responseJson(method: string, bytes: Uint8Array): unknown {
  const methods = [...PredictionService.methods, ...ModelService.methods];
  const output: DescMessage | undefined = methods.find(({ name }) =>
    method.endsWith(`/${name}`),
  )?.output;
  if (!output) throw new RangeError(`there is no method ${method}`);
  return toJson(output, fromBinary(output, bytes), { registry });
}
