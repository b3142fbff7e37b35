import { createHash } from "node:crypto";
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
  ...{ id, models: ["*"] },
  sha256: createHash("sha256").update(keyOf(id)).digest("hex"),
  ...(residency && { residency }),
});

const replicas: FakeReplica[] = [];
let running: RunningGateway;
beforeAll(async () => {
  const changes = replicaChanges();
  for (const _ of regions) replicas.push(await startFakeReplica({ answer: shapesOutputs }));
  running = await openGateway(
    {
      region: "westeurope",
      models: [{ ...shapesModel(), residency: ["westeurope", "eastus"] }],
      pools: regions.map((region, index) => ({
        ...{ model: "shapes", region, replicas: [replicas[index]?.address ?? ""] },
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
    ...{ method: "POST", body: star },
    headers: { "x-api-key": keyOf(key), ...(asked && { "x-tensorgate-residency": asked }) },
  });

  expect(response.headers.get("x-tensorgate-region") ?? response.status).toBe(served);
});
