import type http2 from "node:http2";
import net from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { ModelNotReadyError, UpstreamFailedError } from "@tensorgate/core";
import { aCall, manualClock } from "@tensorgate/core/testing";
import {
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { expect, test } from "vitest";
import {
  type FakeReplicaOptions,
  refuse,
  reply,
  startFakeReplica,
} from "../../../../../test/support/fake-replica.ts";
import { channelDefaults } from "../options.ts";
import { probeNote } from "../probe-note.ts";
import { createUnaryChannel } from "../transport/unary-channel.ts";
import { tensorflowServing } from "./tensorflow-serving.ts";

function replicaAt(address: string) {
  const credentials = { scheme: "http" as const, read: () => ({ tls: {}, headers: {} }) };
  const settings = channelDefaults;
  const clock = manualClock();
  const channel = createUnaryChannel({ address, credentials, settings, clock });
  const replica = tensorflowServing.connect(channel, { region: "r", isExclusive: false, clock });
  return { ...replica, [Symbol.asyncDispose]: channel.close };
}

async function probed(intercept: FakeReplicaOptions["intercept"]) {
  await using server = await startFakeReplica(intercept ? { intercept } : {});
  await using replica = replicaAt(server.address);
  return await replica.probe("m", aCall());
}

const noteOfProbe = (intercept: FakeReplicaOptions["intercept"]) =>
  probed(intercept).then(({ note }) => note, probeNote);

const statusReply = (states: readonly State[]) => (stream: http2.ServerHttp2Stream) => {
  const modelVersionStatus = states.map((state, index) => ({ version: BigInt(index + 1), state }));
  const message = create(GetModelStatusResponseSchema, { modelVersionStatus });
  reply(stream, toBinary(GetModelStatusResponseSchema, message));
  return true;
};

test("a server without GetModelStatus is up, and its versions are unknown", async () => {
  const state = await probed((stream) => {
    refuse(stream, { code: 12, message: "unknown service" });
    return true;
  });

  expect(state).toEqual({
    isReady: true,
    versions: [],
    hasUnknownVersions: true,
    note: {
      message: "GetModelStatus: UNIMPLEMENTED, assumed ready",
      detail: "GetModelStatus: UNIMPLEMENTED, assumed ready",
    },
  });
});

test.each([
  { states: [State.LOADING], message: "version 1 is LOADING" },
  { states: [State.END, State.START], message: "version 1 is END, version 2 is START" },
  { states: [], message: "GetModelStatus lists no version" },
  {
    states: Array(1_000).fill(State.UNLOADING),
    message: `${[1, 2, 3, 4].map((n) => `version ${n} is UNLOADING`).join(", ")} and 996 more`,
  },
])("a model that is not ready: $message", async ({ states, message }) => {
  expect(await probed(statusReply(states))).toMatchObject({ isReady: false, note: { message } });
});

test("a status of the replica is reported by its name; its text is for operators", async () => {
  const note = await noteOfProbe((stream) => {
    refuse(stream, { code: 5, message: "no such model at 10.0.0.7" });
    return true;
  });

  expect(note).toEqual({ message: "NOT_FOUND", detail: "NOT_FOUND: no such model at 10.0.0.7" });
});

test.each([200, 404, 405])(
  "HTTP status %i without a gRPC status is no gRPC server",
  async (status) => {
    const note = await noteOfProbe((stream) => {
      stream.respond({ ":status": status, "content-type": "text/html" });
      stream.end("<html></html>");
      return true;
    });

    expect(note?.message).toBe(`HTTP status ${status} without a gRPC status: not a gRPC server`);
  },
);

test("a port that refuses connections is reported without its address, and to operators with it", async () => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  await using replica = replicaAt(`127.0.0.1:${port}`);

  const note = await replica.probe("m", aCall()).catch(probeNote);

  expect(note).toMatchObject({ message: "connection refused" });
  expect(note).toMatchObject({ detail: expect.stringContaining(`127.0.0.1:${port}`) });
});

test("a web server that speaks HTTP/1.1 alone is reported as one without HTTP/2", async () => {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await using replica = replicaAt(`127.0.0.1:${port}`);

  const note = await replica.probe("m", aCall()).catch(probeNote);

  expect(note).toMatchObject({ message: "not an HTTP/2 server" });
  server.close();
});

test("a note is bounded, whatever a replica says", () => {
  const cause = new Error("x".repeat(100_000));

  expect(probeNote(new UpstreamFailedError("failed", { cause })).detail).toHaveLength(500);
  expect(probeNote(new ModelNotReadyError("loading")).message).toBe("loading");
});
