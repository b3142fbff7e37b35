import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  bytesTensor,
  type FailureReason,
  float32Tensor,
  ScoringError,
  type Tensor,
  UpstreamFailedError,
} from "@tensorgate/core";
import { aCall, aRequest, manualClockAndRandom } from "@tensorgate/core/testing";
import { ErrorInfoSchema, RetryInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import { StatusSchema } from "@tensorgate/proto/google/rpc/status";
import { GetModelResponseSchema } from "@tensorgate/proto/tensorgate/v1/catalog";
import { GetStatusResponseSchema } from "@tensorgate/proto/tensorgate/v1/status";
import { expect, test } from "vitest";
import {
  type PredictCall,
  reply,
  startFakeReplica,
} from "../../../../../test/support/fake-replica.ts";
import { createGateway } from "../../gateway.ts";
import { createReplicas } from "../replicas.ts";

/** The replica that a gateway at `address` is. */
function peerAt(address: string) {
  const { clock, random } = manualClockAndRandom();
  const registry = createReplicas(
    { pools: [{ model: "m", region: "eastus", gateway: `http://${address}` }] },
    {
      ownRegion: "r",
      clock,
      random,
    },
  );
  const [id = ""] = registry.pools[0]?.replicaIds ?? [];
  const peer = registry.byId.get(id);
  if (!peer) throw new Error("the gateway has no address");
  return { peer, pools: registry.pools, clock, [Symbol.dispose]: registry.close };
}

/** A gateway of eastus, whose one replica has the model and gives back what it takes. */
async function startGateway() {
  const replica = await startFakeReplica({
    answer: (request) =>
      new Map(request.inputNames.map((name) => [`${name}-back`, request.input(name)])),
  });
  const gateway = createGateway({
    region: "eastus",
    listen: { port: 0 },
    pools: [{ model: "m", region: "eastus", replicas: [replica.address] }],
  });
  await gateway.listen();
  await gateway.ready();
  return {
    address: `127.0.0.1:${gateway.port}`,
    [Symbol.asyncDispose]: async () => {
      await gateway.close(0);
      await replica[Symbol.asyncDispose]();
    },
  };
}

const requestFor = (inputs: Readonly<Record<string, Tensor>>, version?: bigint) => ({
  modelSpec: { name: "m", ...(version !== undefined && { version }) },
  model: { ...aRequest.model, name: "m" },
  inputs: new Map(Object.entries(inputs)),
  outputFilter: [],
});
const longCall = () => aCall({ deadline: { atMs: 10_000 } });

test("a gateway answers for its region: tensors of every kind there and back", async () => {
  await using gateway = await startGateway();
  using one = peerAt(gateway.address);
  const picture = Uint8Array.from({ length: 5_000 }, (_, index) => index % 251);
  const request = requestFor({
    picture: bytesTensor([2], [picture, new Uint8Array()]),
    numbers: float32Tensor([2, 2], Float32Array.of(1, -2, 3.5, 0)),
    scalar: float32Tensor([], Float32Array.of(7)),
  });

  const { model, outputs } = await one.peer.score(request, longCall());

  expect(one.pools).toMatchObject([{ model: "m", region: "eastus", isGateway: true }]);
  expect(model).toEqual({ name: "fake", version: 1n });
  for (const [name, tensor] of request.inputs) {
    expect(plain(outputs.get(`${name}-back`))).toEqual(plain(tensor));
  }
});

const plain = (tensor: Tensor | undefined) =>
  tensor && {
    dtype: tensor.dtype,
    shape: tensor.shape,
    values:
      tensor.dtype === "BYTES" ? tensor.elements.map((element) => [...element]) : [...tensor.data],
  };

test("a probe learns versions, and whether a replica takes calls there", async () => {
  await using gateway = await startGateway();
  using one = peerAt(gateway.address);

  expect(await one.peer.probe("m", longCall())).toEqual({
    isReady: true,
    versions: [1n],
    isSeeded: false,
  });
  const { versions } = await one.peer.modelStatus({ name: "m" }, longCall());
  expect(versions.map(({ version }) => version)).toEqual([1n]);
  await expect(one.peer.probe("unheard-of", longCall())).rejects.toMatchObject({
    reason: "unknown-model",
  });
});

test.each([
  ["half-open", true],
  // As gateways of earlier versions call it.
  ["returning", true],
  ["warming", false],
])("a region whose only replica is %s: ready %s", async (state, isReady) => {
  const status = { regions: [{ name: "eastus", pools: [{ model: "m", replicas: [{ state }] }] }] };
  const answers: Readonly<Record<string, Uint8Array>> = {
    "/tensorgate.v1.CatalogService/GetModel": toBinary(
      GetModelResponseSchema,
      create(GetModelResponseSchema, { model: { name: "m", versions: [1n] } }),
    ),
    "/tensorgate.v1.StatusService/GetStatus": toBinary(
      GetStatusResponseSchema,
      create(GetStatusResponseSchema, { status }),
    ),
  };
  await using server = await startFakeReplica({
    intercept: (stream, { ":path": path = "" }) => {
      const message = answers[path];
      if (message) reply(stream, message);
      return message !== undefined;
    },
  });
  using one = peerAt(server.address);

  expect(await one.peer.probe("m", longCall())).toMatchObject({ isReady, versions: [1n] });
});

test("an error that a gateway finds in the request keeps its text", async () => {
  await using gateway = await startGateway();
  using one = peerAt(gateway.address);

  await expect(one.peer.score(requestFor({}, 9n), longCall())).rejects.toMatchObject({
    reason: "unknown-version",
    hint: expect.any(String),
  });
});

test("a call carries its hops, residency, request id, deadline, priority, and that nothing is to be kept", async () => {
  await using server = await startFakeReplica();
  using one = peerAt(server.address);
  const hints = { priority: "critical", residency: ["eastus", "westus2"] } as const;
  const call = aCall({ requestId: "abc", noStore: true, hints });
  const answered = one.peer.score(aRequest, call);
  const { headers, answer } = await server.nextPredict();
  answer(0);
  await answered;

  expect(headers).toMatchObject({
    ":path": "/tensorgate.v1.ScoringService/Predict",
    "x-tensorgate-hops": "1",
    "x-tensorgate-residency": "eastus",
    "x-request-id": "abc",
    "grpc-timeout": "1000m",
    "x-tensorgate-priority": "critical",
    "cache-control": "no-store",
  });
});

test.each([
  { reason: "overloaded", code: 14, is: { isFull: true, isUnprocessed: true, wasLost: false } },
  { reason: "no-replica", code: 14, is: { isFull: true, isUnprocessed: true, wasLost: false } },
  { reason: "quota-exceeded", code: 8, is: { isFull: true, isUnprocessed: false } },
  { reason: "upstream-failed", code: 14, is: { isFull: false, isUnprocessed: false } },
  { reason: "unauthenticated", code: 16, is: { isFull: false, isUnprocessed: false } },
  { reason: "forbidden", code: 7, is: { isFull: false, isUnprocessed: false } },
] as const)("$reason is a failure of the replica", async ({ reason, code, is }) => {
  const failure = await failureFor(code, reason);

  expect(failure).toBeInstanceOf(UpstreamFailedError);
  expect(failure).toMatchObject(is);
});

test.each([
  { reason: "model-not-ready", code: 14 },
  { reason: "too-large", code: 3 },
  { reason: "failed-precondition", code: 9 },
  { reason: "deadline-exceeded", code: 4 },
] as const)("$reason is so here as well", async ({ reason, code }) => {
  expect(await failureFor(code, reason)).toMatchObject({
    reason,
    message: "so it says",
    hint: "do better",
    retryAfterMs: 1_500,
  });
});

test("an error that a replica behind the gateway finds in the request keeps its code", async () => {
  expect(await failureFor(9, "upstream-answered")).toMatchObject({
    reason: "upstream-answered",
    grpcCode: 9,
  });
});

test("the same error of another server than a gateway does not count", async () => {
  const failure = await failureFor(14, "overloaded", "example.com");

  expect(failure).toMatchObject({ reason: "upstream-failed", isFull: false });
});

async function failureFor(code: number, reason: FailureReason, domain = "tensorgate") {
  await using server = await startFakeReplica();
  using one = peerAt(server.address);
  const failed = one.peer.score(aRequest, aCall()).catch(ScoringError.from);
  refuse(await server.nextPredict(), { code, details: detailsOf(reason, domain) });
  return await failed;
}

function detailsOf(reason: string, domain: string): string {
  const info = create(ErrorInfoSchema, { reason, domain, metadata: { hint: "do better" } });
  const retryDelay = { seconds: 1n, nanos: 500_000_000 };
  const status = create(StatusSchema, {
    details: [
      anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })),
      anyPack(ErrorInfoSchema, info),
    ],
  });
  return Buffer.from(toBinary(StatusSchema, status)).toString("base64").replace(/=+$/, "");
}

interface Rejection {
  readonly code: number;
  readonly details?: string;
  readonly waitMs?: string;
}

function refuse({ stream }: PredictCall, { code, details, waitMs }: Rejection): void {
  stream.respond(
    {
      "content-type": "application/grpc",
      "grpc-status": code,
      "grpc-message": "so%20it%20says",
      ...(details !== undefined && { "grpc-status-details-bin": details }),
      ...(waitMs !== undefined && { "x-tensorgate-expected-wait-ms": waitMs }),
    },
    { endStream: true },
  );
}

test("the gateway's expected wait is that of its last reply, and is forgotten", async () => {
  await using server = await startFakeReplica();
  using one = peerAt(server.address);
  const hears = async (waitMs: string) => {
    const failed = one.peer.score(aRequest, longCall()).catch(() => {});
    refuse(await server.nextPredict(), { code: 14, waitMs });
    await failed;
    return one.peer.expectedWaitMs?.("shapes");
  };
  expect(one.peer.expectedWaitMs?.("shapes")).toBeUndefined();

  expect(await hears("12.5")).toBe(12.5);
  expect(await hears("0")).toBe(0);
  expect(await hears("nonsense")).toBe(0);
  expect(await hears("-1")).toBe(0);
  one.clock.advance(10_001);

  expect(one.peer.expectedWaitMs?.("shapes")).toBeUndefined();
});

test("a reply that is no answer of a gateway is a failure of the replica", async () => {
  await using server = await startFakeReplica();
  using one = peerAt(server.address);
  const failed = one.peer.score(aRequest, aCall());
  const { stream } = await server.nextPredict();
  stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]));

  await expect(failed).rejects.toMatchObject({
    reason: "upstream-failed",
    wasLost: false,
  });
});
