import http2 from "node:http2";
import net from "node:net";
import { float32Tensor } from "@tensorgate/core";
import { startFakeReplica } from "../support/fake-replica.ts";
import { startGateway } from "../support/running-gateway.ts";
import type { FuzzInput } from "./targets.ts";

/** A gateway whose output distinguishes its faults from those of its callers. */
export interface FuzzGateway extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Faults of ours since the last time this was asked. */
  takeFaults(): readonly unknown[];
  /** @throws if a new connection is not accepted, or a good call on it is not answered */
  assertWell(): Promise<void>;
}

/** How long a connection may stay open after its input, in milliseconds: a damaged length waits for more. */
const patienceMs = 40;

/** How long an answer may take, in milliseconds: sixteen large bodies may come at the same time, on a busy machine. */
const answerMs = 30_000;

export async function startFuzzGateway(): Promise<FuzzGateway> {
  const replica = await startFakeReplica({
    answer: () =>
      new Map([
        ["scores", float32Tensor([1, 16], new Float32Array(16))],
        ["features", float32Tensor([1, 4], new Float32Array(4))],
      ]),
  });
  let faults: unknown[] = [];
  const running = await startGateway(
    { westeurope: [replica.address] },
    {
      listen: { port: 0, maxConnectionsPerAddress: 10_000 },
      requests: { defaultTimeoutMs: 2_000 },
    },
    { onInternalError: (error) => faults.push(error.cause ?? error) },
  );
  const { url, gateway } = running;
  return {
    url,
    port: gateway.port,
    takeFaults: () => {
      const taken = faults;
      faults = [];
      return taken;
    },
    assertWell: async () => {
      const response = await fetch(`${url}/v1/classify/shapes`, {
        method: "POST",
        // On its own connection: the listener must still accept.
        headers: { connection: "close", "x-tensorgate-timeout-ms": "20000" },
        body: Buffer.from("/9j/4AAQSkZJRgABAQAAAQABAAD/wAALCAAQABABAREA", "base64"),
      });
      if (response.status !== 200)
        throw new Error(`a good call got ${response.status}: ${await response.text()}`);
      await response.arrayBuffer();
    },
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      await replica[Symbol.asyncDispose]();
    },
  };
}

/** Sends a request that HTTP takes; its meaning may be anything. */
export async function httpSend(
  { bytes, path = "/", headers = {} }: FuzzInput,
  gateway: FuzzGateway,
): Promise<void> {
  const session = http2.connect(gateway.url);
  session.on("error", () => {});
  try {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no answer")), answerMs);
      const stream = session.request({
        ":method": bytes.length === 0 ? "GET" : "POST",
        ":path": path,
        ":authority": "localhost",
        ...headers,
      });
      let answered: number | undefined;
      let grpcStatus: unknown;
      stream.on("response", (received) => {
        answered = Number(received[":status"]);
        grpcStatus = received["grpc-status"];
      });
      stream.on("trailers", (received) => {
        grpcStatus ??= received["grpc-status"];
      });
      stream.on("error", () => {});
      stream.on("close", () => {
        clearTimeout(timer);
        if (grpcStatus === "13") reject(new Error("answered as internal"));
        resolve(answered);
      });
      stream.resume();
      stream.end(bytes);
    });
    if (status === 500) throw new Error("answered as internal");
  } finally {
    session.destroy();
  }
}

/** Sends bytes as they are, in `pieceCount` writes, and waits for the end, or for a while. */
export function rawSend(
  { bytes }: FuzzInput,
  { port }: FuzzGateway,
  pieceCount: number,
): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const timer = setTimeout(() => socket.destroy(), patienceMs);
    socket.on("error", () => {});
    socket.resume();
    socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    const pieceLength = Math.max(1, Math.ceil(bytes.length / pieceCount));
    for (let at = 0; at < bytes.length; at += pieceLength) {
      socket.write(bytes.subarray(at, at + pieceLength));
    }
  });
}
