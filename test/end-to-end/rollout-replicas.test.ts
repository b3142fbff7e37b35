import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { startBefore, startVersioned } from "../support/versioned-replicas.ts";

const plan = { from: "1", to: "2", steps: [100] };

test("a version is rolled out once every replica has it", async () => {
  await using first = await startVersioned([1n, 2n]);
  await using second = await startVersioned([1n]);
  await using running = await startBefore([first, second]);
  const { rollouts } = running.gateway;

  expect(() => rollouts.start("m", plan)).toThrow(
    "1 of 2 replicas of m lacks version 2; load it there first",
  );

  second.rollOut([1n, 2n]);
  await expect
    .poll(() => rollouts.start("m", plan).weights, { interval: 20, timeout: 5_000 })
    .toEqual({ 1: 0, 2: 1 });
  second.rollOut([1n]);
  await expect
    .poll(() => rollouts.list()[0]?.waitsFor, { interval: 20, timeout: 5_000 })
    .toBe("1 of 2 replicas of m lacks version 2");
});

test("every answer has the revision of the weights that chose its version", async () => {
  await using replica = await startVersioned([1n, 2n]);
  await using running = await startBefore([replica]);
  const { rollouts } = running.gateway;
  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));
  const body = samplePicture("star");

  /** Of a picture by REST, of tensors by Connect, and of a picture by gRPC. */
  async function revisions() {
    const found: (string | null)[] = [];
    const elements = { elements: [Buffer.from(body).toString("base64")] };
    const inputs = { images: { dtype: "BYTES", shape: ["1"], elements } };
    const predict = JSON.stringify({ modelSpec: { name: "m" }, inputs });
    for (const [path, sent, type] of [
      ["/v1/classify/m", body, "image/jpeg"],
      ["/tensorgate.v1.ScoringService/Predict", predict, "application/json"],
    ] as const) {
      const headers = { "content-type": type };
      const response = await fetch(running.url + path, { method: "POST", body: sent, headers });
      expect(response.status).toBe(200);
      found.push(response.headers.get("x-tensorgate-revision"));
    }
    const pictures = [{ source: { case: "data" as const, value: body } }];
    await client.classify(
      { modelSpec: { name: "m" }, pictures },
      { onHeader: (headers) => void found.push(headers.get("x-tensorgate-revision")) },
    );
    return found;
  }

  expect(await revisions()).toEqual(["0", "0", "0"]);
  rollouts.start("m", plan);
  expect(await revisions()).toEqual(["1", "1", "1"]);
  rollouts.command("m", "abort");
  expect(await revisions()).toEqual(["2", "2", "2"]);
});
