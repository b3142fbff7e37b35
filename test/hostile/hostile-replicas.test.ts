import type http2 from "node:http2";
import { MessageWriter } from "@tensorgate/tf-serving";
import { expect, test } from "vitest";
import { reply, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

// One replica whose replies cost far more to read than to send, beside a good one.

const star = samplePicture("star");
const post = (url: string) => fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star });
const grpc = { ":status": 200, "content-type": "application/grpc" };

function repeated(field: readonly number[], byteCount: number): Uint8Array {
  return new Uint8Array(byteCount).map((_, at) => field[at % field.length] as number);
}

/** A reply with one tensor. */
function predictReply(tensor: Uint8Array): Uint8Array {
  const entry = new MessageWriter().stringField(1, "scores").bytesField(2, tensor);
  return Buffer.concat(new MessageWriter().messageField(1, entry).finish());
}

const bytes = 4_194_304;
const shapeOf = (dims: Uint8Array) =>
  Buffer.concat(new MessageWriter().bytesField(2, dims).finish());
const float = Buffer.of(8, 1);
/** As many as come after it: 2 ** 21. */
const strings = Buffer.concat([
  Buffer.of(8, 7),
  shapeOf(Buffer.of(0x12, 5, 8, 0x80, 0x80, 0x80, 1)),
]);

type Answer = (stream: http2.ServerHttp2Stream) => void;
const message =
  (of: Uint8Array): Answer =>
  (stream) =>
    reply(stream, of);

test.each<{ what: string; answer: Answer }>([
  {
    what: "empty strings",
    answer: message(predictReply(Buffer.concat([strings, repeated([0x42, 0], bytes)]))),
  },
  { what: "extents", answer: message(predictReply(shapeOf(repeated([0x12, 0], bytes)))) },
  { what: "small outputs", answer: message(repeated([0x0a, 4, 0x12, 2, 8, 1], bytes)) },
  {
    what: "zeros that are not there",
    answer: message(
      predictReply(
        Buffer.concat([float, shapeOf(Buffer.of(0x12, 6, 8, 0x80, 0x80, 0x80, 0x80, 8))]),
      ),
    ),
  },
  {
    what: "bytes that are announced",
    answer: (stream) => {
      stream.respond(grpc);
      stream.write(Buffer.of(0, 0xff, 0, 0, 0));
    },
  },
  {
    what: "interim responses",
    answer: (stream) => {
      for (let count = 0; count < 50; count += 1) stream.additionalHeaders({ ":status": 103 });
    },
  },
])(
  "a replica that answers with too many $what is ejected, and no call notices",
  async ({ answer }) => {
    let count = 0;
    await using hostile = await startFakeReplica({
      intercept: (stream, headers) => {
        if (!headers[":path"]?.endsWith("/Predict")) return false;
        count += 1;
        answer(stream);
        return true;
      },
    });
    await using good = await startFakeReplica({ answer: shapesOutputs });
    const changes = replicaChanges();
    const { onReplica } = changes;
    const addresses = { westeurope: [hostile.address, good.address] };
    await using running = await startGateway(addresses, {}, { onReplica });
    await changes.until("westeurope-1", "ready");
    await changes.until("westeurope-2", "ready");

    while (changes.statesOf("westeurope-1").at(-1) !== "ejected") {
      expect((await post(running.url)).status).toBe(200);
    }

    expect(count).toBeGreaterThanOrEqual(3);
    expect(changes.statesOf("westeurope-2")).toEqual(["ready"]);
    expect((await fetch(`${running.url}/livez`)).status).toBe(200);
  },
);

test("a replica whose status costs too much to read is never in rotation; the other one serves", async () => {
  let probes = 0;
  await using hostile = await startFakeReplica({
    intercept: (stream) => {
      probes += 1;
      reply(stream, repeated([0x0a, 0], bytes));
      return true;
    },
  });
  await using good = await startFakeReplica({ answer: shapesOutputs });
  const changes = replicaChanges();
  const { onReplica } = changes;
  const addresses = { westeurope: [hostile.address, good.address] };
  await using running = await startGateway(addresses, {}, { onReplica });
  await changes.until("westeurope-1", "ejected");
  await changes.until("westeurope-2", "ready");

  for (let calls = 0; calls < 20; calls += 1) expect((await post(running.url)).status).toBe(200);

  expect(probes).toBeGreaterThan(0);
  expect(changes.statesOf("westeurope-1")).not.toContain("ready");
});

const json = { "content-type": "application/json" };

test.each<{ what: string; path: string; body: string; response: Uint8Array }>([
  {
    what: "classifications by REST",
    path: "/v1/models/shapes:classify",
    body: '{"examples":[{"a":1}]}',
    response: Buffer.concat(new MessageWriter().bytesField(1, repeated([0x0a, 0], bytes)).finish()),
  },
  {
    what: "regressions by REST",
    path: "/v1/models/shapes:regress",
    body: '{"examples":[{"a":1}]}',
    response: Buffer.concat(new MessageWriter().bytesField(1, repeated([0x0a, 0], bytes)).finish()),
  },
  {
    what: "strings by JSON",
    path: "/tensorflow.serving.PredictionService/Predict",
    body: '{"modelSpec":{"name":"shapes"}}',
    response: predictReply(Buffer.concat([strings, repeated([0x42, 0], bytes)])),
  },
  {
    what: "numbers by JSON",
    path: "/tensorflow.serving.PredictionService/Predict",
    body: '{"modelSpec":{"name":"shapes"}}',
    response: predictReply(
      Buffer.concat(new MessageWriter().bytesField(7, repeated([1], bytes)).finish()),
    ),
  },
])("a response of too many $what is counted before it is decoded", async (hostile) => {
  const { path, body, response } = hostile;
  await using replica = await startFakeReplica({
    answer: shapesOutputs,
    intercept: (stream, headers) => {
      const isEncoded = /Classify|Regress/.test(headers[":path"] ?? "") || path.includes("Predict");
      if (!isEncoded || headers[":path"]?.endsWith("Status")) return false;
      reply(stream, response);
      return true;
    },
  });
  await using running = await startGateway({ westeurope: [replica.address] });

  const answer = await fetch(`${running.url}${path}`, { method: "POST", headers: json, body });

  expect(answer.status).toBe(path.startsWith("/v1") ? 502 : 503);
  expect(await answer.text()).toContain("cannot be written as JSON");
  const status = await fetch(`${running.url}/v1/models/shapes`);
  expect(status.status).toBe(200);
});
