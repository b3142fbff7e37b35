import { expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { addressOfNobody } from "../support/no-one.ts";
import { samplePicture } from "../support/pictures.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { openGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const star = samplePicture("star");

const post = (url: string, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star, headers });

const named = (region: string, ...replicas: readonly string[]) => ({
  model: "shapes",
  region,
  replicas,
});

test("a pool by a name answers from where the name leads, and never from an address without a server", async () => {
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  const changes = replicaChanges();
  const { onReplica } = changes;
  const pools = [named("westeurope", `dns:///localhost:${replica.port}`)];
  await using running = await openGateway({ pools }, { onReplica });
  // The name may have an address of IPv6 as well, where nobody listens.
  await running.gateway.ready();

  for (let count = 0; count < 4; count += 1) expect((await post(running.url)).status).toBe(200);
  expect(changes.seen.filter(({ to }) => to === "ready")).toHaveLength(1);
});

test.each([
  { name: "has no address", host: "no-such-name.invalid" },
  { name: "leads to where nobody listens", host: "localhost" },
])("a pool by a name that $name is told at once rather than waited for", async ({ host }) => {
  const [, port] = (await addressOfNobody()).split(":");
  const pools = [named("westeurope", `dns:///${host}:${port}`)];
  await using running = await openGateway({ pools });

  const response = await post(running.url, { "x-tensorgate-trace": "1" });

  expect(response.status).toBe(503);
  expect((await response.json()) as object).toMatchObject({
    reason: expect.stringMatching(/^(no-replica|model-not-ready)$/),
  });
  expect(response.headers.get("retry-after")).not.toBeNull();
  expect((await fetch(`${running.url}/readyz`)).status).toBe(503);
});

test("a pool by a name that has no address is left for another region", async () => {
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  const pools = [
    named("westeurope", "dns:///no-such-name.invalid:1"),
    named("eastus", replica.address),
  ];
  const changes = replicaChanges();
  const { onReplica } = changes;
  await using running = await openGateway({ pools }, { onReplica });
  await changes.until("eastus-1", "ready");

  const response = await post(running.url);

  expect(response.headers.get("x-tensorgate-region")).toBe("eastus");
});
