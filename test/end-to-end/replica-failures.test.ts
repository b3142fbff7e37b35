import http2 from "node:http2";
import { float32Tensor } from "@tensorgate/core";
import type { GatewayOptions } from "@tensorgate/gateway";
import { describe, expect, test } from "vitest";
import {
  type FakeReplica,
  type PredictCall,
  refuse,
  startFakeReplica,
} from "../support/fake-replica.ts";
import { addressOfNobody } from "../support/no-one.ts";
import { samplePicture } from "../support/pictures.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { openGateway, shapesModel, startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";
import { poolStatus } from "../support/waiting.ts";

const star = samplePicture("star");

const post = (url: string, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star, headers });

const sessionOf = ({ stream }: PredictCall) => stream.session as http2.ServerHttp2Session;

/** A gateway before these replicas, all of its own region. */
async function startBefore(
  replicas: readonly FakeReplica[],
  options: Partial<GatewayOptions> = {},
) {
  const changes = replicaChanges();
  const { onReplica } = changes;
  const addresses = replicas.map(({ address }) => address);
  const running = await startGateway({ westeurope: addresses }, options, { onReplica });
  await Promise.all(replicas.map((_, index) => changes.until(`westeurope-${index + 1}`, "ready")));
  return { ...running, changes };
}

/** The next call at whichever replica it comes to. */
async function nextAt(replicas: readonly FakeReplica[]) {
  const before = replicas.map((replica) => replica.predictCount());
  const indexNow = () => replicas.findIndex((each, at) => each.predictCount() > (before[at] ?? 0));
  await expect.poll(indexNow, { interval: 5, timeout: 10_000 }).not.toBe(-1);
  const index = indexNow();
  const replica = replicas[index] as FakeReplica;
  return { replica, index, call: await replica.nextPredict() };
}

describe("a replica that has no room", () => {
  test("is left for another one, and not ejected", async () => {
    await using full = await startFakeReplica({ answer: () => ({ code: 8, message: "no room" }) });
    await using other = await startFakeReplica({ answer: shapesOutputs });
    await using running = await startBefore([full, other]);

    for (let count = 0; count < 8; count += 1) expect((await post(running.url)).status).toBe(200);

    expect(running.changes.statesOf("westeurope-1")).toEqual(["ready"]);
  });

  test("is reported as overloaded where no other has room either", async () => {
    const full = () => startFakeReplica({ answer: () => ({ code: 8, message: "no room" }) });
    await using first = await full();
    await using second = await full();
    await using running = await startBefore([first, second]);

    for (let count = 0; count < 4; count += 1) {
      const response = await post(running.url);
      expect(response.status).toBe(503);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await response.json()).toMatchObject({ reason: "overloaded" });
    }
    expect(running.changes.seen.map(({ to }) => to)).toEqual(["ready", "ready"]);
  });
});

describe("a replica whose replies are not what the model gives", () => {
  const scores = (shape: readonly number[], value: number) => {
    const count = shape.reduce((product, extent) => product * extent, 1);
    return new Map([["scores", float32Tensor(shape, new Float32Array(count).fill(value))]]);
  };

  test.each([
    { what: "no outputs", outputs: new Map() },
    {
      what: "other outputs",
      outputs: new Map([
        ["a", float32Tensor([1, 1], Float32Array.of(1))],
        ["b", float32Tensor([1, 1], Float32Array.of(1))],
      ]),
    },
    { what: "scores of two pictures", outputs: scores([2, 16], 0) },
    { what: "scores that are NaN", outputs: scores([1, 16], Number.NaN) },
  ])("costs no call while another one answers well: $what", async ({ outputs }) => {
    let badCount = 0;
    const answer = () => {
      badCount += 1;
      return outputs;
    };
    await using bad = await startFakeReplica({ answer });
    await using good = await startFakeReplica({ answer: shapesOutputs });
    await using running = await startBefore([bad, good]);

    const seen: number[] = [];
    for (let count = 0; count < 8; count += 1) seen.push((await post(running.url)).status);

    expect(seen).toEqual(Array(8).fill(200));
    expect(badCount).toBeGreaterThan(0);
  });

  test("is reported where no other replica answers", async () => {
    await using bad = await startFakeReplica({ answer: () => new Map() });
    await using running = await startBefore([bad]);

    const response = await post(running.url);

    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({
      reason: "upstream-failed",
      detail: 'the model\'s response has no output "scores"',
    });
  });
});

describe("a model whose requests must not be done twice", () => {
  const models = [{ ...shapesModel(), idempotent: false }];

  test("is asked once where the connection breaks after the request had left", async () => {
    await using first = await startFakeReplica();
    await using second = await startFakeReplica();
    await using running = await startBefore([first, second], { models });

    const answer = post(running.url);
    const { call } = await nextAt([first, second]);
    sessionOf(call).destroy();
    const response = await answer;

    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ reason: "upstream-failed" });
    expect(first.predictCount() + second.predictCount()).toBe(1);
  });

  test("is asked again where the replica did not look at the request", async () => {
    await using first = await startFakeReplica();
    await using second = await startFakeReplica();
    await using running = await startBefore([first, second], { models });

    const answer = post(running.url);
    const { call, index } = await nextAt([first, second]);
    call.stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    const other = index === 0 ? second : first;
    (await other.nextPredict()).succeed(shapesOutputs());

    expect((await answer).status).toBe(200);
  });
});

test("a replica that refuses connections gets no more calls immediately, and the call does not notice", async () => {
  const gone = await startFakeReplica({ answer: shapesOutputs });
  await using other = await startFakeReplica({ answer: shapesOutputs });
  await using running = await startBefore([gone, other]);
  await gone[Symbol.asyncDispose]();

  for (let count = 0; count < 6; count += 1) expect((await post(running.url)).status).toBe(200);

  await running.changes.until("westeurope-1", "ejected");
  expect(running.changes.statesOf("westeurope-2")).toEqual(["ready"]);
});

test("a replica that fails three times in a row is ejected while there is another, probed, and back", async () => {
  let isBroken = true;
  const broken = () => ({ code: 14, message: "broken" });
  await using failing = await startFakeReplica({
    answer: () => (isBroken ? broken() : shapesOutputs()),
  });
  await using good = await startFakeReplica({ answer: shapesOutputs });
  await using running = await startBefore([failing, good]);

  while (running.changes.statesOf("westeurope-1").at(-1) !== "ejected") {
    expect((await post(running.url)).status).toBe(200);
  }
  isBroken = false;
  await running.changes.until("westeurope-1", "half-open");
  expect((await poolStatus(running.url))?.replicas[0]?.failed).toBe(3n);

  while (((await poolStatus(running.url))?.replicas[0]?.answered ?? 0n) === 0n) {
    expect((await post(running.url)).status).toBe(200);
  }
});

test("the last replica is not ejected for failing, and answers as soon as it can", async () => {
  await using only = await startFakeReplica();
  await using running = await startBefore([only]);

  for (let count = 0; count < 5; count += 1) {
    const answer = post(running.url);
    (await only.nextPredict()).answer(14, "broken");
    expect((await answer).status).toBe(502);
  }
  const answer = post(running.url);
  (await only.nextPredict()).succeed(shapesOutputs());

  expect((await answer).status).toBe(200);
  expect(running.changes.statesOf("westeurope-1")).toEqual(["ready"]);
});

test("a replica that hangs is left for another within the call, once it is known what calls take", async () => {
  let isHanging = false;
  const hang = await startFakeReplica();
  await using good = await startFakeReplica({ answer: shapesOutputs });
  await using running = await startBefore([hang, good]);
  await using _hang = hang;
  const answering = (async () => {
    while (!isHanging) {
      const call = await hang.nextPredict();
      if (!isHanging) call.succeed(shapesOutputs());
    }
  })();
  for (let count = 0; count < 60; count += 1) expect((await post(running.url)).status).toBe(200);

  isHanging = true;
  hang.ignoreProbes(true);
  const statuses: number[] = [];
  while (running.changes.statesOf("westeurope-1").at(-1) !== "ejected") {
    statuses.push((await post(running.url)).status);
  }
  await answering;

  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(running.changes.statesOf("westeurope-2")).toEqual(["ready"]);
});

describe("a model that says hedge", () => {
  const models = [{ ...shapesModel(), hedge: true }];

  test("has a slow call sent to an idle replica as well, and the first answer wins", async () => {
    await using first = await startFakeReplica();
    await using second = await startFakeReplica();
    await using running = await startBefore([first, second], { models });

    const answer = post(running.url, { "x-tensorgate-trace": "1" });
    const slow = await nextAt([first, second]);
    const other = slow.index === 0 ? second : first;
    (await other.nextPredict()).succeed(shapesOutputs());
    const response = await answer;

    expect(response.status).toBe(200);
    expect(JSON.parse(response.headers.get("x-tensorgate-trace") ?? "")).toContainEqual(
      expect.objectContaining({ step: expect.objectContaining({ what: "sent", isHedge: true }) }),
    );
    slow.call.succeed(shapesOutputs());
    // Every hedge but the first must be earned by twenty calls.
    const again = post(running.url);
    const held = await nextAt([first, second]);
    const status = async () =>
      (await poolStatus(running.url))?.replicas.map(({ inFlight }) => inFlight);
    for (let look = 0; look < 20; look += 1) {
      expect((await status())?.toSorted()).toEqual([0, 1]);
    }
    held.call.succeed(shapesOutputs());
    expect((await again).status).toBe(200);
    expect(first.predictCount() + second.predictCount()).toBe(3);
  });
});

test("a connection that is closed in good order is opened again to the same replica, which stays", async () => {
  await using replica = await startFakeReplica();
  await using running = await startBefore([replica]);

  const answer = post(running.url);
  const first = await replica.nextPredict();
  const session = sessionOf(first);
  // The stream before it, which was a probe, is the last that was looked at.
  session.goaway(http2.constants.NGHTTP2_NO_ERROR, (first.stream.id ?? 0) - 2);
  const again = await replica.nextPredict();
  again.succeed(shapesOutputs());

  expect((await answer).status).toBe(200);
  expect(sessionOf(again)).not.toBe(session);
  expect(running.changes.statesOf("westeurope-1")).toEqual(["ready"]);
});

test("a request over which two replicas that served others lose their connection is refused, and a third is spared", async () => {
  const replicas = [
    await startFakeReplica(),
    await startFakeReplica(),
    await startFakeReplica(),
  ] as const;
  const parallelism = 2;
  const addresses = replicas.map(({ address }) => address);
  const pools = [{ model: "shapes", region: "westeurope", replicas: addresses, parallelism }];
  await using running = await startGateway({}, { pools });

  const answer = post(running.url, { "x-request-id": "poison" });
  for (let kills = 0; kills < 2; kills += 1) {
    const { call, replica } = await nextAt(replicas);
    expect(call.headers["x-request-id"]).toBe("poison");
    await serveAnotherAt(replica, replicas, running.url);
    sessionOf(call).destroy();
  }
  const response = await answer;

  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({
    reason: "upstream-failed",
    detail: "two replicas lost their connection while processing this request",
  });
  for (const replica of replicas) await replica[Symbol.asyncDispose]();
});

/** Sends calls until one comes to `replica`, the others held until then, and has all of them answered. */
async function serveAnotherAt(
  replica: FakeReplica,
  replicas: readonly FakeReplica[],
  url: string,
): Promise<void> {
  const answers: Promise<Response>[] = [];
  const held: PredictCall[] = [];
  for (let hasCome = false; !hasCome; ) {
    answers.push(post(url));
    const next = await nextAt(replicas);
    held.push(next.call);
    hasCome = next.replica === replica;
  }
  for (const call of held) call.succeed(shapesOutputs());
  await Promise.all(answers);
}

test("residency is not left, although the one region that it allows is dead and others idle", async () => {
  await using idle = await startFakeReplica({ answer: shapesOutputs });
  const pools = [
    { model: "shapes", region: "westeurope", replicas: [idle.address] },
    { model: "shapes", region: "eastus", replicas: [await addressOfNobody()] },
  ];
  const changes = replicaChanges();
  const { onReplica } = changes;
  await using running = await openGateway({ pools }, { onReplica });
  await changes.until("westeurope-1", "ready");
  await changes.until("eastus-1", "ejected");
  const regionOf = async (headers: Record<string, string>) => {
    const response = await post(running.url, headers);
    return response.headers.get("x-tensorgate-region") ?? response.status;
  };

  expect(await regionOf({ "x-tensorgate-residency": "eastus" })).toBe(503);
  expect(await regionOf({ "x-tensorgate-residency": "" })).toBe(403);
  // A wish is no residency.
  expect(await regionOf({ "x-tensorgate-region": "eastus" })).toBe("westeurope");
});

test("a server without GetModelStatus is up: it gets calls, of any version", async () => {
  const intercept = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    if (headers[":path"]?.endsWith("/Predict")) return false;
    refuse(stream, { code: 12, message: "unknown service" });
    return true;
  };
  const versions = () => [1n, 7n];
  await using replica = await startFakeReplica({ intercept, versions, answer: shapesOutputs });
  await using running = await startBefore([replica]);
  const asked = (version: number) =>
    fetch(`${running.url}/v1/classify/shapes?version=${version}`, { method: "POST", body: star });

  expect((await post(running.url)).status).toBe(200);
  expect((await asked(7)).headers.get("x-tensorgate-model")).toBe("fake@7");
  expect((await asked(8)).status).toBe(404);
});
