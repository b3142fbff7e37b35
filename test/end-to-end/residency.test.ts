import { createHash } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { CatalogService } from "@tensorgate/proto/tensorgate/v1/catalog";
import { type GatewayStatus, StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { openGateway, type RunningGateway, shapesModel } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const regions = ["westeurope", "eastus", "westus2"] as const;
const star = samplePicture("star");
const keyOf = (id: string) => `tg_${id}_${"s".repeat(43)}`;
const entry = (id: string, residency?: readonly string[]) => ({
  id,
  models: ["*"],
  sha256: createHash("sha256").update(keyOf(id)).digest("hex"),
  ...(residency && { residency }),
});

const replicas: FakeReplica[] = [];
let running: RunningGateway;
beforeAll(async () => {
  const changes = replicaChanges();
  for (const index of regions.keys()) {
    const versions = () => [1n, BigInt(index + 2)];
    replicas.push(await startFakeReplica({ answer: shapesOutputs, versions }));
  }
  running = await openGateway(
    {
      region: "westeurope",
      models: [{ ...shapesModel(), residency: ["westeurope", "eastus"] }],
      pools: regions.map((region, index) => ({
        model: "shapes",
        region,
        replicas: [replicas[index]?.address ?? ""],
      })),
      keys: [
        entry("anywhere"),
        entry("american", ["eastus", "westus2"]),
        entry("lost", ["westus2"]),
      ],
    },
    { onReplica: changes.onReplica },
  );
  for (const region of regions) await changes.until(`${region}-1`, "ready");
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  for (const replica of replicas) await replica[Symbol.asyncDispose]();
});

test.each([
  { key: "anywhere", asked: undefined, served: "westeurope", because: "it is the nearest" },
  {
    key: "american",
    asked: undefined,
    served: "eastus",
    because: "the key and the model share it",
  },
  { key: "anywhere", asked: "eastus", served: "eastus", because: "the call says so" },
  { key: "american", asked: "westeurope", served: 403, because: "the key does not allow it" },
  { key: "anywhere", asked: "westus2", served: 403, because: "the model does not allow it" },
  { key: "lost", asked: undefined, served: 403, because: "key and model have nothing in common" },
])("$key asking for $asked is answered by $served: $because", async ({ key, asked, served }) => {
  const response = await fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    body: star,
    headers: { "x-api-key": keyOf(key), ...(asked && { "x-tensorgate-residency": asked }) },
  });

  expect(response.headers.get("x-tensorgate-region") ?? response.status).toBe(served);
});

test.each(["/v1/models/shapes", "/v1/models/shapes/metadata"])(
  "%s asks no replica where the model may not be served",
  async (path) => {
    const headers = { "x-api-key": keyOf("lost") };

    expect((await fetch(running.url + path, { headers })).status).toBe(403);
  },
);

/** Every region that a caller with the key is shown, by what it asks. */
async function regionsShown(key: string) {
  const headers = { "x-api-key": keyOf(key) };
  const transport = createConnectTransport({ baseUrl: running.url, httpVersion: "1.1" });
  const catalog = createClient(CatalogService, transport);
  const status = createClient(StatusService, transport);
  const json = async (path: string) =>
    (await (await fetch(running.url + path, { headers })).json()) as Description & {
      readonly models: readonly Description[];
    };
  const watching = status.watchStatus({}, { headers })[Symbol.asyncIterator]();
  const { value: watched } = await watching.next();
  await watching.return?.();
  return {
    listModels: (await catalog.listModels({}, { headers })).models[0]?.regions.toSorted(),
    getModel: (await catalog.getModel({ name: "shapes" }, { headers })).model?.regions.toSorted(),
    catalog: (await json("/v1/catalog")).models[0]?.regions.toSorted(),
    catalogEntry: (await json("/v1/catalog/shapes")).regions.toSorted(),
    getStatus: namesOf((await status.getStatus({}, { headers })).status),
    watchStatus: namesOf(watched?.status),
  };
}

interface Description {
  readonly regions: readonly string[];
}

/** The nearest region comes first, by what was measured. */
const namesOf = (status: GatewayStatus | undefined) =>
  status?.regions.map(({ name }) => name).toSorted();

test.each([
  { key: "anywhere", models: ["eastus", "westeurope"], status: regions.toSorted() },
  { key: "american", models: ["eastus"], status: ["eastus", "westus2"] },
  { key: "lost", models: [], status: ["westus2"] },
])("$key is shown no region but its own", async ({ key, models, status }) => {
  expect(await regionsShown(key)).toEqual({
    listModels: models,
    getModel: models,
    catalog: models,
    catalogEntry: models,
    getStatus: status,
    watchStatus: status,
  });
});

test.each([
  { key: "anywhere", versions: ["3", "2", "1"] },
  { key: "american", versions: ["3", "1"] },
  { key: "lost", versions: [] },
])("$key is shown no version but those of its own regions", async ({ key, versions }) => {
  const response = await fetch(`${running.url}/v1/catalog/shapes`, {
    headers: { "x-api-key": keyOf(key) },
  });

  expect(await response.json()).toMatchObject({ versions });
});

test("a refusal for residency names no region", async () => {
  const response = await fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    body: star,
    headers: { "x-api-key": keyOf("lost") },
  });

  expect(response.status).toBe(403);
  expect(await response.text()).not.toMatch(/westeurope|eastus/);
});
