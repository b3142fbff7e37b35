import { mkdirSync, writeFileSync } from "node:fs";
import http2 from "node:http2";
import { join } from "node:path";
import { type DescMessage, equals, fromJson, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { RegistryService } from "@tensorgate/proto/tensorgate/registry/v1/registry";
import { afterAll, describe, expect, test } from "vitest";
import { registryActs } from "./registry-acts.ts";
import { startTestAdmin } from "./testing.ts";

const server = await startTestAdmin();
afterAll(() => server[Symbol.asyncDispose]());
const { url: baseUrl, half: from } = server;

const transports: readonly (readonly [string, Transport])[] = [
  ["gRPC", createGrpcTransport({ baseUrl })],
  ["gRPC-Web", createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ["Connect", createConnectTransport({ baseUrl, httpVersion: "1.1" })],
];

async function rest(path: string): Promise<unknown> {
  const response = await fetch(`${baseUrl}/registry${path}`);
  const isJson = response.headers.get("content-type") === "application/json";
  return isJson ? response.json() : response.text();
}

const { method } = RegistryService;

/** Compares with what REST answers: every field of that must be in the message. */
function same(message: Message, schema: DescMessage, answer: unknown): void {
  expect(equals(schema, message, fromJson(schema, answer as never))).toBe(true);
}

test.each(transports)("a model's life by %s, as REST answers it", async (protocol, transport) => {
  const registry = createClient(RegistryService, transport);
  const name = protocol.toLowerCase();
  const { version } = await registry.registerVersion({
    name,
    from,
    description: "of a test",
    tags: { team: "vision" },
    aliases: ["newest"],
  });
  expect(version).toMatchObject({ name, version: 1n, aliases: ["newest"] });
  expect(version?.forms["saved-model"]?.byteCount).toBeGreaterThan(0n);
  const { model } = await registry.setAlias({ name, alias: "champion", version: 1n });
  expect(model?.aliases).toEqual({ champion: 1n, newest: 1n });
  const ofVersion = { name, version: "champion" };
  await registry.tagVersion({ ...ofVersion, tags: { stage: "test" }, removeTags: ["team"] });
  await registry.tagModel({ name, description: "Half." });

  const shown = await registry.getVersion(ofVersion);
  expect(shown.version?.tags).toEqual({ stage: "test" });
  same(shown, method.getVersion.output, {
    version: await rest(`/models/${name}/versions/champion`),
  });
  same(await registry.getModel({ name }), method.getModel.output, {
    model: await rest(`/models/${name}`),
  });
  same(await registry.listModels({}), method.listModels.output, await rest("/models"));

  for (const alias of ["champion", "newest"]) await registry.deleteAlias({ name, alias });
  expect(await registry.deleteVersion({ name, version: "1" })).toMatchObject({
    deleted: `${name}@1`,
  });
  expect(await registry.deleteModel({ name })).toMatchObject({ deleted: name });
});

test("a conversion by gRPC is the same job as by REST", async () => {
  const registry = createClient(RegistryService, createGrpcTransport({ baseUrl }));
  await registry.registerVersion({ name: "half", from });
  const ofVersion = { name: "half", version: "1" };

  const { job } = await registry.convertVersion({ ...ofVersion, maxMemoryBytes: 2_000_000_000n });

  const id = job?.id ?? "";
  await expect
    .poll(async () => (await registry.getJob({ id })).job, { timeout: 30_000 })
    .toMatchObject({ state: "done", reference: "half@1" });
  same(await registry.getJob({ id }), method.getJob.output, { job: await rest(`/jobs/${id}`) });
  same(await registry.listJobs({}), method.listJobs.output, await rest("/jobs"));
  same(await registry.getVersion(ofVersion), method.getVersion.output, {
    version: await rest("/models/half/versions/1"),
  });
  const { log } = await registry.getJobLog({ id });
  expect(log).toContain("run by ONNX Runtime");
  expect(log).toBe(await rest(`/jobs/${id}/log`));
  expect((await registry.cancelJob({ id })).job?.state).toBe("done");
}, 60_000);

test("REST has a route for each method, and no other", () => {
  const routes = Object.values(registryActs).map(({ method, path }) => `${method} ${path}`);

  expect(Object.keys(registryActs).toSorted()).toEqual(
    Object.keys(RegistryService.method).toSorted(),
  );
  expect(new Set(routes).size).toBe(routes.length);
});

describe.each(transports)("what is wrong, by %s", (_, transport) => {
  const registry = createClient(RegistryService, transport);
  const broken = join(server.incoming, "broken");
  mkdirSync(broken, { recursive: true });
  writeFileSync(join(broken, "saved_model.pb"), "no graph");

  test.each<[string, () => Promise<unknown>, Code, string, RegExp]>([
    [
      "no name",
      () => registry.getModel({}),
      Code.InvalidArgument,
      "invalid-request",
      /name is mis/,
    ],
    [
      "no version to delete",
      () => registry.deleteVersion({ name: "m" }),
      ...([Code.InvalidArgument, "invalid-request", /version is missing/] as const),
    ],
    [
      "no version of an alias",
      () => registry.setAlias({ name: "m", alias: "a" }),
      ...([Code.InvalidArgument, "invalid-request", /version/] as const),
    ],
    [
      "an unknown model",
      () => registry.getModel({ name: "n" }),
      ...([Code.NotFound, "unknown-model", /no model "n"/] as const),
    ],
    [
      "an unknown job",
      () => registry.getJob({ id: "0badcafe" }),
      ...([Code.NotFound, "unknown-model", /0badcafe/] as const),
    ],
    [
      "a folder that is not allowed",
      () => registry.registerVersion({ name: "m", from: "/etc" }),
      ...([Code.PermissionDenied, "forbidden", /--register-from/] as const),
    ],
    [
      "a file that is no graph",
      () => registry.registerVersion({ name: "m", from: broken }),
      ...([Code.InvalidArgument, "invalid-request", /saved_model\.pb/] as const),
    ],
  ])("%s", async (_name, call, code, reason, says) => {
    const error: unknown = await call().catch((thrown: unknown) => thrown);

    if (!(error instanceof ConnectError)) throw new Error("there is no error");
    const [info] = error.findDetails(ErrorInfoSchema);
    expect([error.code, info?.reason]).toEqual([code, reason]);
    expect(error.rawMessage).toMatch(says);
  });

  test("a web page is refused", async () => {
    const headers = { origin: "https://page.example" };

    await expect(registry.listModels({}, { headers })).rejects.toMatchObject({
      code: Code.PermissionDenied,
      rawMessage: "web pages may not do this",
    });
  });
});

test("an unknown method is refused with the names of the methods", async () => {
  const session = http2.connect(baseUrl);
  const stream = session.request({
    ":method": "POST",
    ":path": "/tensorgate.registry.v1.RegistryService/Nothing",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.end();
  const headers = await new Promise((resolve) => stream.once("response", resolve));
  session.destroy();

  expect(headers).toMatchObject({
    "grpc-status": "12",
    "grpc-message": expect.stringContaining("RegistryService/ListModels"),
  });
});

test("a form of a web page that has no origin is not run", async () => {
  const response = await fetch(`${baseUrl}/tensorgate.registry.v1.RegistryService/ListModels`, {
    method: "POST",
    headers: { "content-type": "text/plain" },
    body: "{}",
  });

  expect(response.status).toBe(415);
});

test("a connection that says nothing is no obstacle to closing", async () => {
  const other = await startTestAdmin();
  const session = http2.connect(other.url);
  session.on("error", () => {});
  await new Promise((resolve) => session.once("connect", resolve));

  await other[Symbol.asyncDispose]();
  session.destroy();
});
