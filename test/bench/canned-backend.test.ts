import { once } from "node:events";
import http2 from "node:http2";
import { buffer } from "node:stream/consumers";
import { createGateway } from "@tensorgate/gateway";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rightAnswerBytes } from "../../bench/ask.ts";
import { replicaAddress, startBackend } from "../../bench/backend/start-backend.ts";
import type { PinnedProcess } from "../../bench/process.ts";
import { predict, type RequestKind, restPicture } from "../../bench/requests.ts";
import { works } from "../support/python.ts";

const addressCount = 300;

const isBuildable = works("cc", ["--version"]) && works("taskset", ["--version"]);

describe.runIf(isBuildable)("the canned backend", () => {
  let backend: PinnedProcess;
  beforeAll(async () => {
    backend = await startBackend({ core: 0, addressCount });
  });
  afterAll(() => backend[Symbol.asyncDispose]());

  test.each([0, 255, addressCount - 1])("is a replica at its address %i", async (index) => {
    const origin = `http://${replicaAddress(index, backend.port)}`;

    expect(await rightAnswerBytes(origin, predict, 2_000)).toBeGreaterThan(4_000);
  });

  test("scores pictures of any length behind a gateway", async () => {
    const gateway = createGateway({
      listen: { port: 0 },
      models: [
        {
          name: "bench",
          input: { tensor: "images", kind: "encoded-image" },
          output: { scores: { holds: "probabilities" } },
          labels: Array.from({ length: 1_000 }, (_, index) => `label ${index}`),
        },
      ],
      pools: [{ model: "bench", region: "local", replicas: [replicaAddress(0, backend.port)] }],
    });
    await gateway.listen();
    try {
      await gateway.ready();
      for (const pictureBytes of [2_000, 1_000_000]) {
        await rightAnswerBytes(`http://127.0.0.1:${gateway.port}`, restPicture, pictureBytes);
      }
    } finally {
      await gateway.close(0);
    }
  });

  test("sends no more than its client takes, and the rest when it takes more", async () => {
    const session = http2.connect(`http://${replicaAddress(0, backend.port)}`);
    // 200 KB, of which Node takes 64 KB before it has read some.
    const bodies = await Promise.all(Array.from({ length: 50 }, () => answerOn(session, predict)));

    expect(bodies.every((body) => predict.isRight(body))).toBe(true);
    const closed = once(session, "close");
    session.close();
    await closed;
  });
});

function answerOn(session: http2.ClientHttp2Session, kind: RequestKind): Promise<Buffer> {
  const stream = session.request({ ...kind.headers, ":method": "POST", ":path": kind.path });
  stream.end(kind.body(2_000));
  return buffer(stream);
}
