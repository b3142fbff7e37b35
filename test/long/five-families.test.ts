import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { createGateway, type Gateway, parseConfig } from "@tensorgate/gateway";
import { type ModelServer, startModelServer } from "@tensorgate/model-server";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { type FamilyName, familyNames } from "@tensorgate/tf-serving";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";

// Makes a gigabyte of models, so that it is no part of `npm test`: `npm run test:long`.

const leopard = fileURLToPath(
  new URL("../../../shared/data/images/snowleopardgaze.jpg", import.meta.url),
);
const picture = existsSync(leopard) ? new Uint8Array(readFileSync(leopard)) : samplePicture("star");

let cacheFolder: string;
beforeAll(() => {
  cacheFolder = mkdtempSync(join(tmpdir(), "tensorgate-families-"));
});
afterAll(() => rmSync(cacheFolder, { recursive: true }));

describe.each(familyNames)("%s", (family) => {
  const servers: ModelServer[] = [];
  const gateways: Gateway[] = [];
  /** What each dialect answered, by protocol. */
  const answers: unknown[] = [];

  beforeAll(async () => {
    for (const dialect of ["azure-fpga", "tensorflow-serving"] as const) {
      const models = { families: [family], cacheFolder };
      const server = await startModelServer({ port: 0, threads: 2, models, dialect });
      servers.push(server);
      const gateway = createGateway(
        parseConfig(sixLines(family, dialect, server.port), "six.yaml"),
      );
      gateways.push(gateway);
      await gateway.listen();
      await gateway.ready();
    }
  }, 120_000);
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.close(1_000)));
    await Promise.all(servers.map((server) => server.close()));
  });

  const task = family === "ssd-vgg" ? "detect" : "classify";

  test.each([0, 1])(
    "is asked by REST and by gRPC with six lines of configuration (%i)",
    async (which) => {
      const gateway = gateways[which];
      if (!gateway) throw new RangeError("no such gateway");
      // Of seeded weights no class stands out as one of a trained detector does.
      const query = task === "detect" ? "?minScore=0.2&maxDetections=20" : "?topK=3";
      const response = await fetch(`${gateway.url}/v1/${task}/${family}${query}`, {
        method: "POST",
        body: picture,
      });
      const byRest = (await response.json()) as {
        results: { labels: object[]; boxes: object[] }[];
      };
      const client = createClient(ScoringService, createGrpcTransport({ baseUrl: gateway.url }));
      const asked = {
        modelSpec: { name: family },
        pictures: [{ source: { case: "data" as const, value: picture } }],
      };
      const byGrpc =
        task === "detect"
          ? await client.detect({ ...asked, minScore: 0.2, maxDetections: 20 })
          : await client.classify({ ...asked, topK: 3 });

      expect(response.status).toBe(200);
      const found = byRest.results[0]?.[task === "detect" ? "boxes" : "labels"] ?? [];
      const outcome = byGrpc.results[0]?.outcome.value as
        | {
            labels?: { score: number; index: number }[];
            boxes?: { score: number; index: number }[];
          }
        | undefined;
      expect(found.length).toBeGreaterThan(0);
      const overGrpc = outcome?.labels ?? outcome?.boxes ?? [];
      expect(overGrpc.map(({ index }) => index)).toEqual(
        (found as { index: number }[]).map(({ index }) => index),
      );
      expect(overGrpc.map(({ score }) => Math.fround(score))).toEqual(
        (found as { score: number }[]).map(({ score }) => Math.fround(score)),
      );
      answers.push(found);
    },
  );

  test("says that its weights mean nothing, however it is configured", async () => {
    for (const { url } of gateways) {
      const catalog = await fetch(`${url}/v1/catalog/${family}`);

      expect(await catalog.json()).toMatchObject({ family, weights: "seeded" });
    }
  });

  test("gives the same scores in both dialects", () => {
    expect(answers[1]).toEqual(answers[0]);
  });
});

/** What somebody with such a container writes. */
function sixLines(family: FamilyName, dialect: string, port: number): string {
  return `
region: westeurope
listen: { port: 0 }
models:
  - { name: ${family}, family: ${family} }
pools:
  - { model: ${family}, region: westeurope, dialect: ${dialect}, replicas: ["127.0.0.1:${port}"] }
`;
}
