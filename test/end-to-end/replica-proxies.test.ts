import type http2 from "node:http2";
import { expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

// What a proxy before a replica says in its place.

const star = samplePicture("star");
const post = (url: string) => fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star });

/** A replica behind a proxy that answers every `Predict` with a page. */
async function startBehindProxy(status: number) {
  let count = 0;
  const intercept = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    if (!headers[":path"]?.endsWith("/Predict")) return false;
    count += 1;
    stream.respond({ ":status": status, "content-type": "text/html" });
    stream.end(`<html><title>${status}</title></html>`);
    return true;
  };
  const replica = await startFakeReplica({ intercept });
  return { ...replica, count: () => count };
}

async function startBefore(replicas: readonly FakeReplica[]) {
  const changes = replicaChanges();
  const { onReplica } = changes;
  const addresses = replicas.map(({ address }) => address);
  const running = await startGateway({ westeurope: addresses }, {}, { onReplica });
  await Promise.all(replicas.map((_, index) => changes.until(`westeurope-${index + 1}`, "ready")));
  return { ...running, changes };
}

test.each([413, 414, 431])(
  "status %i is too-large: one attempt for each call, and every replica stays",
  async (status) => {
    await using first = await startBehindProxy(status);
    await using second = await startBehindProxy(status);
    await using running = await startBefore([first, second]);

    for (let calls = 1; calls <= 6; calls += 1) {
      const response = await post(running.url);
      expect(response.status).toBe(413);
      expect(await response.json()).toMatchObject({ reason: "too-large" });
      expect(first.count() + second.count()).toBe(calls);
    }
    expect(running.changes.seen.map(({ to }) => to)).toEqual(["ready", "ready"]);
  },
);

test.each([403, 404, 429, 502, 503, 504])(
  "status %i at one replica is tried at another",
  async (status) => {
    await using behind = await startBehindProxy(status);
    await using good = await startFakeReplica({ answer: shapesOutputs });
    await using running = await startBefore([behind, good]);

    do expect((await post(running.url)).status).toBe(200);
    while (behind.count() === 0);
  },
);
