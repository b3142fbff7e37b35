import { createHash } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { Health } from "@tensorgate/proto/grpc/health/v1/health";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { CatalogService } from "@tensorgate/proto/tensorgate/v1/catalog";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { openRpc } from "../support/raw-rpc.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

const key = (id: string) => `tg_${id}_${"s".repeat(43)}`;
const entry = (id: string, models: readonly string[]) => ({
  id,
  sha256: createHash("sha256").update(key(id)).digest("hex"),
  models,
});

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway({
    keys: [entry("all", ["*"]), entry("shapes-only", ["shapes"]), entry("other", ["resnet50"])],
  });
});
afterAll(() => running[Symbol.asyncDispose]());

const star = samplePicture("star");
const bearer = (value: string) => ({ authorization: `Bearer ${value}` });

const cases: readonly {
  readonly name: string;
  readonly headers: Record<string, string>;
  readonly status: number;
  readonly code: Code | undefined;
  readonly reason?: string;
}[] = [
  {
    name: "no key",
    headers: {},
    status: 401,
    code: Code.Unauthenticated,
    reason: "unauthenticated",
  },
  {
    name: "an unknown key",
    headers: bearer(key("nobody")),
    status: 401,
    code: Code.Unauthenticated,
    reason: "unauthenticated",
  },
  {
    name: "a wrong secret",
    headers: bearer(key("all").replace(/s$/, "t")),
    status: 401,
    code: Code.Unauthenticated,
    reason: "unauthenticated",
  },
  {
    name: "something else",
    headers: bearer("hello"),
    status: 401,
    code: Code.Unauthenticated,
    reason: "unauthenticated",
  },
  {
    name: "a key for another model",
    headers: bearer(key("other")),
    status: 403,
    code: Code.PermissionDenied,
    reason: "forbidden",
  },
  { name: "a key for all", headers: bearer(key("all")), status: 200, code: undefined },
  {
    name: "a key for this model",
    headers: bearer(key("shapes-only")),
    status: 200,
    code: undefined,
  },
  {
    name: "a key as x-api-key",
    headers: { "x-api-key": key("all") },
    status: 200,
    code: undefined,
  },
];

describe("REST", () => {
  test.each(cases)("with $name is answered $status", async ({ headers, status, reason }) => {
    const url = `${running.url}/v1/classify/shapes`;
    const response = await fetch(url, { method: "POST", headers, body: star });

    expect(response.status).toBe(status);
    const body = (await response.json()) as { reason?: string };
    expect(body.reason).toBe(reason);
  });

  test("a refusal says how to say who calls", async () => {
    const response = await fetch(`${running.url}/v1/catalog`);
    await response.arrayBuffer();

    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer /);
  });

  test("the catalog lists the models of the key", async () => {
    const names = async (id: string) => {
      const response = await fetch(`${running.url}/v1/catalog`, { headers: bearer(key(id)) });
      const { models } = (await response.json()) as { models: { name: string }[] };
      return models.map(({ name }) => name);
    };

    expect(await names("all")).toEqual(["shapes"]);
    expect(await names("other")).toEqual([]);
  });

  test.each(["/livez", "/readyz", "/openapi.json"])("%s needs no key", async (path) => {
    expect((await fetch(running.url + path)).status).toBe(200);
  });

  test.each(["/v1/catalog", "/v1/models/shapes", "/v1/models/shapes/metadata"])(
    "%s needs a key",
    async (path) => {
      expect((await fetch(running.url + path)).status).toBe(401);
    },
  );
});

const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "Connect JSON": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect binary": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  "gRPC-Web": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
};

const request = {
  modelSpec: { name: "shapes" },
  pictures: [{ source: { case: "data" as const, value: star } }],
};

describe.each(Object.entries(transports))("%s", (_name, transport) => {
  test.each(cases)("with $name is answered alike", async ({ headers, code, reason }) => {
    const client = createClient(ScoringService, transport(running.url));

    const answer = await client
      .classify(request, { headers })
      .catch((thrown: unknown) => ConnectError.from(thrown));

    if (code === undefined) {
      expect(answer).toMatchObject({ model: { name: "shapes" } });
      return;
    }
    const error = ConnectError.from(answer);
    expect(error.code).toBe(code);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason }]);
  });
});

test.each(["Connect binary", "gRPC"])("a stream over %s without a key is refused", async (name) => {
  const transport = transports[name]?.(running.url);
  if (!transport) throw new RangeError(name);
  async function* pictures() {
    yield {
      modelSpec: { name: "shapes" },
      picture: { source: request.pictures[0]?.source },
    } as never;
  }

  const answers = createClient(ScoringService, transport).classifyStream(pictures());

  await expect(answers[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: Code.Unauthenticated,
  });
});

test.each([
  { refused: "no key", path: "Classify", headers: {}, code: Code.Unauthenticated },
  {
    refused: "no such method",
    path: "Nothing",
    headers: bearer(key("all")),
    code: Code.Unimplemented,
  },
  {
    refused: "a packed message of no kind",
    path: "Classify",
    headers: { ...bearer(key("all")), "grpc-encoding": "br" },
    code: Code.Unimplemented,
  },
  {
    refused: "no message",
    path: "Classify",
    headers: bearer(key("all")),
    code: Code.Unimplemented,
  },
])("gRPC that is refused for $refused is answered by one frame of headers", async (sent) => {
  using rpc = openRpc(running.url, `/tensorgate.v1.ScoringService/${sent.path}`, {
    "content-type": "application/grpc",
    ...sent.headers,
  });
  rpc.stream.end();
  const [headers, flags] = await once(rpc.stream, "response");

  expect(headers["grpc-status"]).toBe(String(sent.code));
  expect(headers["grpc-message"]).not.toBe("");
  expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).not.toBe(0);
});

test("health needs no key, the catalog does", async () => {
  const transport = createGrpcTransport({ baseUrl: running.url });

  expect((await createClient(Health, transport).check({})).status).toBe(1);
  await expect(createClient(CatalogService, transport).listModels({})).rejects.toMatchObject({
    code: Code.Unauthenticated,
  });
});

test.each([
  { asked: ["resnet50"], code: Code.PermissionDenied },
  { asked: ["shapes", "resnet50"], code: Code.InvalidArgument },
  { asked: ["resnet50", "shapes"], code: Code.InvalidArgument },
])("a key for one model does not open another among the tasks $asked", async (sent) => {
  const client = createClient(PredictionService, createGrpcTransport({ baseUrl: running.url }));
  const tasks = sent.asked.map((name) => ({ modelSpec: { name } }));
  const headers = bearer(key("shapes-only"));

  await expect(client.multiInference({ tasks }, { headers })).rejects.toMatchObject({
    code: sent.code,
  });
});
