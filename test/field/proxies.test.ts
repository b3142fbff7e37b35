import type http2 from "node:http2";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { describe, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

// What a proxy before a replica says in its place, and what a replica says before it has read the request.

/** Longer than what a replica takes that reads nothing: its window is closed after 64 KiB. */
const picture = Buffer.concat([samplePicture("star"), Buffer.alloc(1_000_000)]);

const post = (url: string) =>
  fetch(`${url}/v1/classify/shapes`, {
    method: "POST",
    headers: { "x-tensorgate-timeout-ms": "15000" },
    body: picture,
  });

type Answer = (stream: http2.ServerHttp2Stream) => void;

/** A replica that answers every `Predict` in this way, and counts them. */
async function startReplica(answer: Answer) {
  let count = 0;
  const intercept = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    if (!headers[":path"]?.endsWith("/Predict")) return false;
    count += 1;
    answer(stream);
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

const page = (status: number): Answer => {
  return (stream) => {
    stream.respond({ ":status": status, "content-type": "text/html" });
    stream.end(`<html><title>${status}</title></html>`);
  };
};
const text = (status: number): Answer => {
  return (stream) => {
    stream.respond({ ":status": status, "content-type": "text/plain" });
    stream.end("request entity too large\n");
  };
};
const bare = (status: number): Answer => {
  return (stream) => stream.respond({ ":status": status }, { endStream: true });
};
const afterReading = (answer: Answer): Answer => {
  return (stream) => stream.resume().once("end", () => answer(stream));
};
const withoutReading = (answer: Answer): Answer => {
  return (stream) => answer(stream.pause());
};

describe("a proxy that answers instead of a replica", () => {
  // https://github.com/nginx/kubernetes-ingress/issues/3636, https://github.com/kubernetes/ingress-nginx/issues/6005 and
  // https://github.com/tower-rs/tower-grpc/issues/74: the status of the proxy becomes a failure of the servers behind
  // it, so the picture is sent to each of them, and they are taken out for it.
  test.each([
    { name: "413 with a page", answer: page(413) },
    { name: "413 with a page, after reading the request", answer: afterReading(page(413)) },
    { name: "413 with a page, reading nothing", answer: withoutReading(page(413)) },
    { name: "413 with a text", answer: text(413) },
    { name: "413 with nothing", answer: bare(413) },
    { name: "413 with nothing, reading nothing", answer: withoutReading(bare(413)) },
    { name: "414", answer: page(414) },
    { name: "431", answer: page(431) },
  ])("$name: the caller's, one attempt for each call, every replica stays", async ({ answer }) => {
    await using first = await startReplica(answer);
    await using second = await startReplica(answer);
    await using running = await startBefore([first, second]);
    const grpc = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));

    for (let calls = 1; calls <= 6; calls += 1) {
      const response = await post(running.url);
      expect(response.status).toBe(413);
      expect(await response.json()).toMatchObject({ reason: "too-large" });
      expect(first.count() + second.count()).toBe(calls);
    }
    const call = grpc.classify({
      modelSpec: { name: "shapes" },
      pictures: [{ source: { case: "data", value: picture } }],
    });
    await expect(call).rejects.toMatchObject({ code: 3 });
    expect(first.count() + second.count()).toBe(7);
    expect(running.changes.seen.map(({ to }) => to)).toEqual(["ready", "ready"]);
  });

  // A firewall that does not like what is in a request: RFC 9110, 15.5.
  test.each([
    { status: 400, expected: 400 },
    { status: 403, expected: 403 },
    { status: 406, expected: 400 },
    { status: 422, expected: 400 },
  ])(
    "status $status: the caller's, one attempt for each call, every replica stays",
    async ({ status, expected }) => {
      await using first = await startReplica(page(status));
      await using second = await startReplica(page(status));
      await using running = await startBefore([first, second]);

      for (let calls = 1; calls <= 6; calls += 1) {
        const response = await post(running.url);
        expect(response.status).toBe(expected);
        expect(await response.json()).toMatchObject({ reason: "upstream-answered" });
        expect(first.count() + second.count()).toBe(calls);
      }
      expect(running.changes.seen.map(({ to }) => to)).toEqual(["ready", "ready"]);
    },
  );

  // What other statuses say may be true of one replica alone: its route, its credentials, its load.
  test.each([401, 404, 429, 502, 503, 504])(
    "status %i at one replica is tried at another",
    async (status) => {
      await using behind = await startReplica(page(status));
      await using good = await startFakeReplica({ answer: shapesOutputs });
      await using running = await startBefore([behind, good]);

      do expect((await post(running.url)).status).toBe(200);
      while (behind.count() === 0);
    },
  );
});

describe("a replica that answers before it has read the request", () => {
  const status = { "grpc-status": "3", "grpc-message": "picture refused by policy" };
  const head = { ":status": 200, "content-type": "application/grpc" };
  const reset = (stream: http2.ServerHttp2Stream) => setImmediate(() => stream.close(0));
  const inHeaders: Answer = (stream) => stream.respond({ ...head, ...status }, { endStream: true });
  const inTrailers = (stream: http2.ServerHttp2Stream, isReset = false): void => {
    stream.respond(head, { waitForTrailers: true });
    stream.on("wantTrailers", () => {
      stream.sendTrailers(status);
      if (isReset) reset(stream);
    });
    stream.end();
  };
  const inHeadersThenReset: Answer = (stream) => {
    inHeaders(stream);
    reset(stream);
  };

  // https://github.com/grpc/grpc/issues/8563, https://github.com/grpc/grpc-java/issues/2163 and
  // https://github.com/grpc/grpc-go/issues/835: the client goes on sending what nothing reads, and the call ends at its
  // deadline.
  test.each([
    { name: "in the headers", answer: inHeaders },
    { name: "in the headers, then RST_STREAM(NO_ERROR)", answer: inHeadersThenReset },
    { name: "in trailers", answer: (stream: http2.ServerHttp2Stream) => inTrailers(stream) },
    {
      name: "in trailers, then RST_STREAM(NO_ERROR)",
      answer: (stream: http2.ServerHttp2Stream) => inTrailers(stream, true),
    },
  ])("$name: its status is the answer, for many calls at the same time", async ({ answer }) => {
    await using replica = await startReplica(withoutReading(answer));
    await using running = await startBefore([replica]);

    const responses = await Promise.all(Array.from({ length: 8 }, () => post(running.url)));

    for (const response of responses) {
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ detail: "picture refused by policy" });
    }
    expect(replica.count()).toBe(8);
    expect(running.changes.seen.map(({ to }) => to)).toEqual(["ready"]);
  });
});
