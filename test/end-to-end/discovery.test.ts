import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Health } from "@tensorgate/proto/grpc/health/v1/health";
import { ServerReflection } from "@tensorgate/proto/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionAlpha } from "@tensorgate/proto/grpc/reflection/v1alpha/reflection";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

test("health tells that the gateway and its services serve, and knows no others", async () => {
  const client = createClient(Health, createGrpcTransport({ baseUrl: running.url }));

  expect((await client.check({ service: "" })).status).toBe(1);
  expect((await client.check({ service: "tensorgate.v1.ScoringService" })).status).toBe(1);
  await expect(client.check({ service: "nobody" })).rejects.toMatchObject({ code: 5 });
});

describe.each([
  ["v1", ServerReflection],
  ["v1alpha", ServerReflectionAlpha],
])("reflection %s", (_version, service) => {
  const ask = async (messageRequest: object) => {
    const client = createClient(
      service as typeof ServerReflection,
      createGrpcTransport({ baseUrl: running.url }),
    );
    async function* question() {
      yield { messageRequest } as never;
    }
    for await (const { messageResponse } of client.serverReflectionInfo(question())) {
      return messageResponse;
    }
    return undefined;
  };

  test("lists the services", async () => {
    const answer = await ask({ case: "listServices", value: "" });

    const names = answer?.case === "listServicesResponse" ? answer.value.service : [];
    expect(names.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "tensorgate.v1.ScoringService",
        "tensorgate.v1.CatalogService",
        "grpc.health.v1.Health",
      ]),
    );
  });

  test.each(["tensorgate.v1.ScoringService", "tensorgate.v1.ScoringService.Classify"])(
    "gives the file of %s with all it imports",
    async (symbol) => {
      const answer = await ask({ case: "fileContainingSymbol", value: symbol });

      const files =
        answer?.case === "fileDescriptorResponse" ? answer.value.fileDescriptorProto : [];
      const names = files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
      expect(names).toEqual(["tensorgate/v1/scoring.proto"]);
    },
  );

  test("says that it does not know a symbol", async () => {
    expect(await ask({ case: "fileContainingSymbol", value: "no.Body" })).toMatchObject({
      case: "errorResponse",
      value: { errorCode: 5 },
    });
  });
});
