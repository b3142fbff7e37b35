import { createHash } from "node:crypto";
import type * as connect from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type * as httpHandler from "../../packages/gateway/src/inbound/protocols/http-handler.ts";
import { openGateway, type RunningGateway } from "../support/running-gateway.ts";

/** Whatever the gateway registers, found where it does so: a new route or method is in the table by itself. */
const registered = vi.hoisted(() => ({
  routes: [] as { method: string; path: string }[],
  routers: [] as connect.ConnectRouter[],
}));
vi.mock("../../packages/gateway/src/inbound/protocols/http-handler.ts", async (original) => {
  const actual = await original<typeof httpHandler>();
  const record: typeof httpHandler.createHttpHandler = (deps) => {
    registered.routes.push(...deps.routes);
    return actual.createHttpHandler(deps);
  };
  return { ...actual, createHttpHandler: record };
});
vi.mock("@connectrpc/connect", async (original) => {
  const actual = await original<typeof connect>();
  const record: typeof connect.createConnectRouter = (options) => {
    const router = actual.createConnectRouter(options);
    registered.routers.push(router);
    return router;
  };
  return { ...actual, createConnectRouter: record };
});

const secret = (id: string) => `tg_${id}_${"s".repeat(43)}`;
const entry = (id: string, models: readonly string[]) => ({
  id,
  models,
  sha256: createHash("sha256").update(secret(id)).digest("hex"),
});

let running: RunningGateway;
beforeAll(async () => {
  running = await openGateway(
    {
      models: [{ name: "shapes" }, { name: "other" }],
      pools: ["shapes", "other"].map((model) => ({
        model,
        region: "westeurope",
        replicas: ["127.0.0.1:9"],
      })),
      keys: [entry("all", ["*"]), entry("other", ["other"])],
    },
    {
      console: new Map([["/", { contentType: "text/html", body: Buffer.from("page") }]]),
      outages: { list: () => [], begin: () => {}, end: async () => {} },
    },
  );
});
afterAll(() => running[Symbol.asyncDispose]());

/** What strangers may ask. Anything else needs a key. */
const open = [
  "GET /",
  "GET /livez",
  "GET /readyz",
  "GET /openapi.json",
  "GET /v2",
  "GET /v2/health/live",
  "GET /v2/health/ready",
  "/inference.GRPCInferenceService/ServerLive",
  "/inference.GRPCInferenceService/ServerReady",
  "/inference.GRPCInferenceService/ServerMetadata",
  "/grpc.health.v1.Health/Check",
  "/grpc.health.v1.Health/Watch",
];

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly method: string;
  readonly contentType?: string;
  readonly body?: string;
}

/** A request of every route and of every method; streams are asked by gRPC-Web, in whose frames a message is. */
function everyEntry(): readonly Entry[] {
  const routes = registered.routes.map(
    ({ method, path }): Entry => ({
      name: `${method} ${path}`,
      method,
      path: path
        .replace("{model}", "shapes")
        .replace("{version}", "1")
        .replace("{versionLabel}", "stable")
        .replace("{region}", "westeurope"),
      ...(method === "POST" && { contentType: "image/jpeg", body: "none" }),
    }),
  );
  const methods = registered.routers.flatMap(({ handlers }) =>
    handlers.map(({ requestPath, method }): Entry => {
      const isUnary = method.methodKind === "unary";
      return {
        name: requestPath,
        path: requestPath,
        method: "POST",
        ...(isUnary
          ? { contentType: "application/json", body: messageOf(method.name) }
          : { contentType: "application/grpc-web+proto", body: "" }),
      };
    }),
  );
  return [...routes, ...methods];
}

/** With the model where the method has one. */
const messageOf = (method: string) => {
  if (method === "GetModel" || /^Model(Ready|Metadata|Config|Statistics)$/.test(method)) {
    return JSON.stringify({ name: "shapes" });
  }
  if (method === "ModelInfer") return JSON.stringify({ modelName: "shapes" });
  if (method === "MultiInference") {
    return JSON.stringify({ tasks: [{ modelSpec: { name: "shapes" } }] });
  }
  return /^(List|Get|Check$|Server|RepositoryIndex$|HandleReloadConfig)/.test(method)
    ? "{}"
    : JSON.stringify({ modelSpec: { name: "shapes" } });
};

/** The HTTP status, or the gRPC status of an answer that is one. */
async function statusOf({ path, method, contentType, body }: Entry, key?: string) {
  const response = await fetch(running.url + path, {
    method,
    headers: {
      ...(contentType && { "content-type": contentType }),
      ...(key && { authorization: `Bearer ${key}` }),
    },
    ...(body !== undefined && { body }),
  });
  // gRPC-Web has its trailers in the body.
  const [, trailer] = /grpc-status: ?(\d+)/.exec(await response.text()) ?? [];
  return Number(response.headers.get("grpc-status") ?? trailer ?? response.status);
}

/** As HTTP says it, and as gRPC does. */
const unauthenticated = [401, 16];
const forbidden = [403, 7];

test("the table has every kind of route", () => {
  const names = everyEntry().map(({ name }) => name);

  expect(names).toContain("GET /v1/models/{model}/metadata");
  expect(names).toContain("POST /demo/regions/{region}/begin-outage");
  expect(names).toContain("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
  expect(names).toEqual(expect.arrayContaining(open));
});

describe.each([
  { name: "no key", key: undefined },
  { name: "an unknown key", key: secret("nobody") },
  { name: "a wrong secret", key: secret("all").replace(/s$/, "t") },
])("with $name", ({ key }) => {
  test("nothing but what is open is answered", async () => {
    const answered: string[] = [];
    for (const each of everyEntry()) {
      const status = await statusOf(each, key);
      if (!unauthenticated.includes(status)) answered.push(each.name);
    }

    expect(answered.toSorted()).toEqual(open.toSorted());
  });
});

test("with a key for another model, whatever names a model is forbidden", async () => {
  const named = everyEntry().filter(
    ({ path, body }) => path.includes("shapes") || body?.includes("shapes"),
  );
  expect(named.length).toBeGreaterThan(10);

  for (const each of named) {
    expect([each.name, forbidden.includes(await statusOf(each, secret("other")))]).toEqual([
      each.name,
      true,
    ]);
  }
});
