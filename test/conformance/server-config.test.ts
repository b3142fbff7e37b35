import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { type ModelServer, startModelServer } from "@tensorgate/model-server";
import {
  GetModelMetadataRequestSchema,
  GetModelMetadataResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { ModelSpecSchema } from "@tensorgate/proto/tensorflow_serving/model";
import { ReloadConfigRequestSchema } from "@tensorgate/proto/tensorflow_serving/model_management";
import { ModelServerConfigSchema } from "@tensorgate/proto/tensorflow_serving/model_server_config";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { casesOf, hasCases } from "../support/conformance-cases.ts";
import { writeServingModels } from "../support/serving-models.ts";

// Lists of models, one after the other, as a caller of the model server reloads them.

interface Step {
  readonly config: JsonObject;
  readonly expect: {
    readonly code: keyof typeof status;
    readonly contains?: readonly string[];
    readonly available?: readonly (readonly [string, string])[];
    readonly states?: readonly (readonly [string, string, string])[];
    readonly resolve?: readonly (readonly [JsonObject, string])[];
    readonly resolve_errors?: readonly (readonly [JsonObject, keyof typeof status, string])[];
  };
}

interface ConfigCase {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly flags?: { readonly allow_version_labels_for_unavailable_models?: boolean };
}

/** Two platforms of the original's test, by what stands for them here. */
const platforms = [
  ["platform_0", "tensorflow"],
  ["platform_1", "onnx"],
] as const;

const renamed = (text: string) =>
  platforms.reduce((all, [from, to]) => all.replaceAll(from, to), text);

describe.runIf(hasCases)("lists of models", () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-lists-"));
  beforeAll(() => writeServingModels(folder));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.for(casesOf<ConfigCase>("server_config.jsonl"))(
    "server_config.jsonl (model server): $name",
    async ({ steps, flags }) => {
      await using stack = new AsyncDisposableStack();
      const server = await startModelServer({
        port: 0,
        restPort: 0,
        models: [],
        reloadFolders: [folder],
        allowUnavailableLabels: flags?.allow_version_labels_for_unavailable_models ?? false,
      });
      stack.defer(() => server.close(0));
      const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
      stack.defer(() => client.close());

      for (const step of steps) {
        // It starts without a list: a file that has none says the same.
        if (Object.keys(step.config).length > 0) await expectReload(client, step, folder);
        await expectModels(server, client, step);
      }
    },
  );
});

async function expectReload(client: Client, { config, expect: wanted }: Step, folder: string) {
  const text = renamed(JSON.stringify(config)).replaceAll("/models/", `${folder}/`);
  const list = fromJson(ModelServerConfigSchema, JSON.parse(text));
  const message = toBinary(
    ReloadConfigRequestSchema,
    create(ReloadConfigRequestSchema, { config: list }),
  );
  const path = "/tensorflow.serving.ModelService/HandleReloadConfigRequest";
  const got = await called(client, path, message);
  expect(status[got.code], got.details).toBe(wanted.code);
  for (const part of wanted.contains ?? []) expect(got.details).toContain(renamed(part));
}

async function expectModels(server: ModelServer, client: Client, { expect: wanted }: Step) {
  const { available = [], states = [], resolve = [], resolve_errors: errors = [] } = wanted;
  const loaded = server.models.map(({ name, version }) => `${name} ${version}`);
  if (available.length > 0) {
    expect(loaded).toEqual(available.map(([name, version]) => `${name} ${version}`));
  }
  for (const [name, version, state] of states) {
    const url = `http://127.0.0.1:${server.restPort}/v1/models/${name}/versions/${version}`;
    expect(await (await fetch(url)).json()).toMatchObject({ model_version_status: [{ state }] });
  }
  for (const [spec, version] of resolve) {
    const { response } = await metadataOf(client, spec);
    const { modelSpec } = fromBinary(GetModelMetadataResponseSchema, response);
    expect(modelSpec?.versionChoice.value).toMatchObject({ value: BigInt(version) });
  }
  for (const [spec, code, text] of errors) {
    const got = await metadataOf(client, spec);
    expect([status[got.code], got.details]).toEqual([code, text]);
  }
}

/** Metadata say which version a spec stands for. */
function metadataOf(client: Client, spec: JsonObject) {
  const request = create(GetModelMetadataRequestSchema, {
    modelSpec: fromJson(ModelSpecSchema, spec),
    metadataField: ["signature_def"],
  });
  const path = "/tensorflow.serving.PredictionService/GetModelMetadata";
  return called(client, path, toBinary(GetModelMetadataRequestSchema, request));
}

function called(client: Client, path: string, message: Uint8Array) {
  const bytes = (each: Buffer) => each;
  return new Promise<{ code: number; details: string; response: Buffer }>((resolve) => {
    const onReply = (error: ServiceError | null, response: Buffer = Buffer.alloc(0)) =>
      resolve({ code: error?.code ?? status.OK, details: error?.details ?? "", response });
    client.makeUnaryRequest(path, bytes, bytes, Buffer.from(message), onReply);
  });
}
