import { once } from "node:events";
import http from "node:http";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const star = samplePicture("star");

const post = (url: string, init: RequestInit = {}) =>
  fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star, ...init });

test("the caller's deadline is the upstream call's, and ends it", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });

  const answer = post(running.url, { headers: { "x-tensorgate-timeout-ms": "200" } });
  const { headers, stream } = await replica.nextPredict();
  const closed = once(stream, "close");
  const response = await answer;

  const timeoutMs = Number(String(headers["grpc-timeout"]).replace("m", ""));
  expect(timeoutMs).toBeGreaterThan(0);
  expect(timeoutMs).toBeLessThanOrEqual(200);
  expect(response.status).toBe(504);
  expect(await response.json()).toMatchObject({ reason: "deadline-exceeded" });
  await closed;
  expect(stream.rstCode).toBe(8);
});

test("a gRPC deadline reaches the replica too", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });
  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));

  const answer = client.classify(
    { modelSpec: { name: "shapes" }, pictures: [{ source: { case: "data", value: star } }] },
    { timeoutMs: 300 },
  );
  const failed = expect(answer).rejects.toMatchObject({ code: 4 });
  const { headers } = await replica.nextPredict();

  expect(Number(String(headers["grpc-timeout"]).replace("m", ""))).toBeLessThanOrEqual(300);
  await failed;
});

test.each([
  { sent: { "x-tensorgate-timeout-ms": "999999999999" }, type: "image/jpeg" },
  { sent: { "connect-timeout-ms": "9999999999" }, type: "application/json" },
  { sent: { "grpc-timeout": "99999999H" }, type: "application/grpc-web+json" },
])("a caller that gives all the time there is, as $sent, is answered", async ({ sent, type }) => {
  const timeouts: unknown[] = [];
  await using replica = await startFakeReplica({
    answer: (_request, headers) => {
      timeouts.push(headers["grpc-timeout"]);
      return shapesOutputs();
    },
  });
  const requests = { maxTimeoutMs: 2_147_483_647 };
  await using running = await startGateway({ westeurope: [replica.address] }, { requests });
  const isRest = type === "image/jpeg";
  const json = JSON.stringify({
    modelSpec: { name: "shapes" },
    pictures: [{ data: Buffer.from(star).toString("base64") }],
  });
  const frame = Buffer.concat([Buffer.alloc(5), Buffer.from(json)]);
  frame.writeUInt32BE(json.length, 1);
  const path = isRest ? "/v1/classify/shapes" : "/tensorgate.v1.ScoringService/Classify";

  const response = await fetch(running.url + path, {
    method: "POST",
    headers: { "content-type": type, ...sent },
    body: isRest ? star : type.includes("grpc") ? frame : json,
  });

  expect(response.status).toBe(200);
  expect(await response.text()).toContain("labels");
  // As gRPC writes it: eight digits at most, here of seconds.
  expect(timeouts).toEqual([expect.stringMatching(/^\d{1,8}S$/)]);
});

test("a deadline that has passed is reported without asking a replica", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });

  const response = await post(running.url, { headers: { "x-tensorgate-timeout-ms": "-5" } });

  expect(response.status).toBe(504);
});

test("a caller that hangs up ends the upstream call, and the next call works", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });
  const controller = new AbortController();

  const answer = post(running.url, { signal: controller.signal });
  const gone = expect(answer).rejects.toThrow();
  const { stream } = await replica.nextPredict();
  const closed = once(stream, "close");
  controller.abort();
  await gone;
  await closed;

  expect(stream.rstCode).toBe(8);
  const next = post(running.url);
  (await replica.nextPredict()).answer(3, "input images: not a picture");
  expect((await next).status).toBe(400);
});

test("a gRPC caller that cancels ends the upstream call", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });
  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));
  const controller = new AbortController();

  const answer = client.classify(
    { modelSpec: { name: "shapes" }, pictures: [{ source: { case: "data", value: star } }] },
    { signal: controller.signal },
  );
  const cancelled = expect(answer).rejects.toMatchObject({ code: 1 });
  const { stream } = await replica.nextPredict();
  const closed = once(stream, "close");
  controller.abort();

  await cancelled;
  await closed;
  expect(stream.rstCode).toBe(8);
});

test("an upload that is cut in the middle never reaches a replica", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });

  const request = http.request(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    headers: { "content-length": star.byteLength },
  });
  request.on("error", () => {});
  request.write(star.subarray(0, 1_000));
  request.destroy();
  const next = post(running.url);
  const { headers, answer } = await replica.nextPredict();
  answer(3, "the first to arrive");

  expect((await (await next).json()) as object).toMatchObject({ detail: "the first to arrive" });
  expect(headers[":path"]).toContain("/Predict");
});

test("an error that the replica finds in the request is passed on with its code and text", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });

  const answer = post(running.url);
  (await replica.nextPredict()).answer(9, 'Serving signature key "serving_default" not found.');
  const response = await answer;

  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    reason: "upstream-answered",
    detail: 'Serving signature key "serving_default" not found.',
  });
});

test("a replica that says it failed is left for another one", async () => {
  await using first = await startFakeReplica();
  await using second = await startFakeReplica();
  await using running = await startGateway({
    westeurope: [first.address],
    eastus: [second.address],
  });

  const answer = post(running.url);
  (await first.nextPredict()).answer(14, "out of order");
  (await second.nextPredict()).answer(3, "asked the second");

  expect(await (await answer).json()).toMatchObject({ detail: "asked the second" });
});

test("closing finishes the call in flight, and refuses new ones", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });
  const answer = post(running.url);
  const { answer: finish } = await replica.nextPredict();

  const closed = running.gateway.close(5_000);
  await expect(post(running.url)).rejects.toThrow();
  finish(3, "finished all the same");

  expect(await (await answer).json()).toMatchObject({ detail: "finished all the same" });
  await closed;
});

test("closing does not wait for idle connections, and cuts what outlives the grace time", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });
  await fetch(`${running.url}/livez`);
  const endless = expect(post(running.url)).rejects.toThrow();
  await replica.nextPredict();

  await running.gateway.close(10);

  await endless;
});
