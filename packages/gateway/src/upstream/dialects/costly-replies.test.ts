import type http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { createWorkBudget, ScoringError, TooLargeError } from "@tensorgate/core";
import { aCall, aRequest, manualClock } from "@tensorgate/core/testing";
import {
  type ErrorInfo,
  ErrorInfoSchema,
  type RetryInfo,
  RetryInfoSchema,
} from "@tensorgate/proto/google/rpc/error_details";
import { StatusSchema } from "@tensorgate/proto/google/rpc/status";
import {
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { ReloadConfigResponseSchema } from "@tensorgate/proto/tensorflow_serving/model_management";
import { PredictResponseSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { MessageWriter } from "@tensorgate/tf-serving";
import { expect, test } from "vitest";
import { reply, startFakeReplica } from "../../../../../test/support/fake-replica.ts";
import { channelDefaults } from "../options.ts";
import type { Replica } from "../replica.ts";
import { GrpcStatusError } from "../transport/failures.ts";
import { createUnaryChannel } from "../transport/unary-channel.ts";
import { azureFpga } from "./azure-fpga.ts";
import { readControlReply } from "./control-reply.ts";
import { failureOfPeer } from "./peer-failure.ts";
import { scoreResponseFromPeer } from "./peer-messages.ts";
import { tensorflowServing } from "./tensorflow-serving.ts";
import { tensorgatePeer } from "./tensorgate-peer.ts";

// A replica, or a gateway of another region, whose replies are cheap to send and dear to read.

/** Most bytes of a control reply. */
const mib = 1_048_576;

const spec = { name: "m" };

/** A field over and over, in `byteCount` bytes. */
function repeated(field: readonly number[], byteCount: number): Uint8Array {
  return new Uint8Array(byteCount).map((_, at) => field[at % field.length] as number);
}

type Ask = (replicas: Record<"stock" | "container" | "peer", Replica>) => Promise<unknown>;

/** What is thrown where every reply is `message`. */
async function failureOf(message: Uint8Array, ask: Ask): Promise<ScoringError> {
  const intercept = (stream: http2.ServerHttp2Stream) => {
    reply(stream, message);
    return true;
  };
  await using server = await startFakeReplica({ intercept });
  const credentials = { scheme: "http" as const, read: () => ({ tls: {}, headers: {} }) };
  const clock = manualClock();
  const parts = { address: server.address, settings: channelDefaults, clock, credentials };
  const channel = createUnaryChannel(parts);
  const options = { region: "eastus", isExclusive: false, clock };
  try {
    await ask({
      stock: tensorflowServing.connect(channel, options),
      container: azureFpga.connect(channel, options),
      peer: tensorgatePeer.connect(channel, options),
    });
  } catch (thrown) {
    return ScoringError.from(thrown);
  } finally {
    await channel.close();
  }
  throw new Error("the reply was taken");
}

const bytesField = (number: number, value: Uint8Array) =>
  Buffer.concat(new MessageWriter().bytesField(number, value).finish());

/** Signatures in an Any, which no one looks into before they are asked for. */
const packedSignatures = (signatures: Uint8Array) => {
  const any = new MessageWriter()
    .stringField(1, "type.googleapis.com/tensorflow.serving.SignatureDefMap")
    .bytesField(2, signatures);
  const entry = new MessageWriter().stringField(1, "signature_def").messageField(2, any);
  return Buffer.concat(new MessageWriter().messageField(2, entry).finish());
};

test.each<{ what: string; message: Uint8Array; ask: Ask }>([
  {
    what: "a status of empty versions",
    message: repeated([0x0a, 0], mib),
    ask: ({ stock }) => stock.probe("m", aCall()),
  },
  {
    what: "a status of unknown fields",
    message: repeated([0x78, 0], mib),
    ask: ({ stock }) => stock.modelStatus(spec, aCall()),
  },
  {
    what: "metadata of empty entries",
    message: repeated([0x12, 0], mib),
    ask: ({ stock }) => stock.modelMetadata(spec, aCall()),
  },
  {
    what: "metadata of packed signatures",
    message: packedSignatures(repeated([0x0a, 0], mib - 200)),
    ask: ({ stock }) => stock.modelMetadata(spec, aCall()),
  },
  {
    what: "the reply to a reload",
    message: bytesField(1, repeated([0x78, 0], mib - 200)),
    ask: ({ stock }) => stock.reload?.([], aCall()) ?? Promise.resolve(),
  },
  {
    what: "a gateway's catalog",
    message: bytesField(1, repeated([0x78, 0], mib - 200)),
    ask: ({ peer }) => peer.modelMetadata(spec, aCall()),
  },
  {
    what: "a gateway's status",
    message: bytesField(1, repeated([0x78, 0], mib - 200)),
    ask: ({ peer }) => peer.probe("m", aCall()),
  },
  {
    what: "a gateway's tensors",
    message: repeated([0x1a, 0], mib),
    ask: ({ peer }) => peer.score(aRequest, aCall()),
  },
  {
    what: "tensors",
    message: repeated([0x0a, 4, 0x12, 2, 8, 1], mib),
    ask: ({ stock }) => stock.score(aRequest, aCall()),
  },
  {
    what: "a container's tensors",
    message: repeated([0x78, 0], mib),
    ask: ({ container }) => container.score(aRequest, aCall()),
  },
])("$what with more elements than may be is the replica's failure", async ({ message, ask }) => {
  const error = await failureOf(message, ask);

  expect(error).toMatchObject({ reason: "upstream-failed", wasLost: false });
  expect(error.cause).toMatchObject({ message: expect.stringMatching(/more than \d+ elements/) });
});

test.each<{ what: string; ask: Ask }>([
  { what: "GetModelStatus", ask: ({ stock }) => stock.probe("m", aCall()) },
  { what: "GetModelMetadata", ask: ({ stock }) => stock.modelMetadata(spec, aCall()) },
  { what: "a reload", ask: ({ stock }) => stock.reload?.([], aCall()) ?? Promise.resolve() },
  { what: "a gateway's status", ask: ({ peer }) => peer.probe("m", aCall()) },
  { what: "a container's probe", ask: ({ container }) => container.probe("m", aCall()) },
])("a reply to $what of more than 1 MiB is not read", async ({ ask }) => {
  const error = await failureOf(bytesField(15, new Uint8Array(mib)), ask);

  expect(error).toMatchObject({
    reason: "upstream-failed",
    message: "the replica's response is too large",
  });
});

test("of thousands of versions the highest hundred are kept, and others may be asked for", async () => {
  const modelVersionStatus = Array.from({ length: 2_500 }, (_, at) => {
    return { version: BigInt(at), state: State.AVAILABLE };
  });
  const status = create(GetModelStatusResponseSchema, { modelVersionStatus });
  const message = toBinary(GetModelStatusResponseSchema, status);
  let state: Awaited<ReturnType<Replica["probe"]>> | undefined;

  await failureOf(message, async ({ stock }) => {
    state = await stock.probe("m", aCall());
    throw new Error("the end");
  });

  expect(state).toMatchObject({ isReady: true, hasUnknownVersions: true });
  expect(state?.versions).toHaveLength(100);
  expect(state?.versions[0]).toBe(2_499n);
});

test("what a server says of a reload is cut, and a code that gRPC does not have is UNKNOWN", async () => {
  const status = { errorCode: 4_711, errorMessage: "x".repeat(100_000) };
  const message = toBinary(
    ReloadConfigResponseSchema,
    create(ReloadConfigResponseSchema, { status }),
  );

  const error = await failureOf(message, ({ stock }) => stock.reload?.([], aCall()) ?? fail());

  expect(error).toMatchObject({ reason: "upstream-answered", grpcCode: 2 });
  expect(error.message).toHaveLength(1_025);
});

const fail = () => Promise.reject(new Error("it takes no other model"));

test("the elements of a gateway's tensors are charged before any is built", () => {
  const budget = createWorkBudget(1_000);
  const tensor = bytesField(2, repeated([1], 100_000));
  const entry = new MessageWriter().stringField(1, "o").bytesField(2, tensor);
  const message = Buffer.concat(new MessageWriter().messageField(3, entry).finish());

  expect(() => scoreResponseFromPeer(message, spec, budget)).toThrow(TooLargeError);
  expect(budget.spent).toBe(1_001);
});

test.each([
  { what: "255 extents", shape: Array<bigint>(255).fill(1n) },
  { what: "negative extents", shape: [-1n, -1n] },
  { what: "more elements than bytes", shape: [2n ** 31n] },
])("a gateway's tensor of $what is refused", ({ shape }) => {
  const values = { case: "data" as const, value: new Uint8Array([7]) };
  const response = create(PredictResponseSchema, {
    outputs: { o: { dtype: "UINT8", shape, values } },
  });
  const message = toBinary(PredictResponseSchema, response);

  expect(() => scoreResponseFromPeer(message, spec, createWorkBudget(1_000))).toThrow(RangeError);
});

const statusError = (details: readonly (ErrorInfo | RetryInfo)[]) => {
  const packed = details.map((detail) =>
    detail.$typeName === "google.rpc.RetryInfo"
      ? anyPack(RetryInfoSchema, detail)
      : anyPack(ErrorInfoSchema, detail),
  );
  const status = toBinary(StatusSchema, create(StatusSchema, { details: packed }));
  const headers = { "grpc-status-details-bin": Buffer.from(status).toString("base64") };
  const cause = new GrpcStatusError({ code: 14, message: "said", headers });
  return failureOfPeer(new TooLargeError("before", { cause }));
};

const info = (metadata: Record<string, string>) =>
  create(ErrorInfoSchema, { reason: "overloaded", domain: "tensorgate", metadata });

test("what a gateway says of a failure is cut, and keeps callers away for an hour at most", () => {
  const retry = create(RetryInfoSchema, { retryDelay: { seconds: 2n ** 60n } });

  const error = statusError([info({ hint: "x".repeat(9_000) }), retry]);

  expect(error).toMatchObject({ reason: "upstream-failed", retryAfterMs: 3_600_000 });
  expect(error.hint).toHaveLength(1_025);
});

test("details of a gateway's failure without end are not read", () => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`k${at}`, ""]));

  expect(statusError([info(many)])).toBeInstanceOf(TooLargeError);
  expect(statusError(Array.from({ length: 300 }, () => info({})))).toBeInstanceOf(TooLargeError);
});

test("fields that the gateway does not know are not kept", () => {
  const message = Buffer.concat([Buffer.of(0x0a, 0), repeated([0x78, 0], 1_000)]);

  const status = readControlReply(GetModelStatusResponseSchema, { message, headers: {} });

  expect(status.modelVersionStatus).toHaveLength(1);
  expect(status.$unknown).toBeUndefined();
});
