import type { Client, ServiceError } from "@grpc/grpc-js";
import type { AttemptContext } from "@tensorgate/client-core";
import { FailedPreconditionError } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { type ConnectionLeases, createConnectionLeases, maxIdleMs } from "../connection-leases.ts";
import { maxReplyBytes } from "../reply-limit.ts";
import { failureFromStatus } from "./serving-failure.ts";

type GrpcLibrary = typeof import("@grpc/grpc-js");

/** Calls `Predict` with encoded messages. */
export interface RawChannel {
  /** @throws ScoringError by the status of the server; FailedPreconditionError if the gRPC library is not installed */
  unary(message: Buffer, call: AttemptContext): Promise<Buffer>;
  close(): void;
}

interface OpenChannel {
  readonly grpc: GrpcLibrary;
  readonly leases: ConnectionLeases<Client>;
}

const predictPath = "/tensorflow.serving.PredictionService/Predict";

const asItIs = (bytes: Buffer): Buffer => bytes;

/**
 * Creates a gRPC channel to `address`; its connection is replaced when a call on it is given up. The library is loaded with
 * the first call, since most users of this package do without it.
 */
export function createRawChannel(
  address: string,
  useTls: boolean,
  importLibrary: () => Promise<GrpcLibrary> = () => import("@grpc/grpc-js"),
): RawChannel {
  let opened: Promise<OpenChannel> | undefined;

  async function open(): Promise<OpenChannel> {
    const grpc = await importLibrary().catch((cause: unknown) => {
      throw new FailedPreconditionError("PredictionClient needs the package @grpc/grpc-js", {
        hint: "npm install @grpc/grpc-js",
        cause,
      });
    });
    return { grpc, leases: leasesOf(grpc, address, useTls) };
  }

  return {
    unary: async (message, call) => {
      opened ??= open();
      return sendUnary(await opened, address, { message, call });
    },
    close: () => {
      // A library that is not there failed the calls already.
      opened?.then(({ leases }) => leases.close()).catch(() => {});
    },
  };
}

function leasesOf(
  { Client, credentials }: GrpcLibrary,
  address: string,
  useTls: boolean,
): ConnectionLeases<Client> {
  return createConnectionLeases(
    () =>
      new Client(address, useTls ? credentials.createSsl() : credentials.createInsecure(), {
        // Twelve tensors of five pictures are more than the default of 4 MiB.
        "grpc.max_receive_message_length": maxReplyBytes,
        "grpc.max_send_message_length": -1,
        "grpc.client_idle_timeout_ms": maxIdleMs,
        // The caller makes the attempts.
        "grpc.enable_retries": 0,
        // By default the library's clients of one address share a connection, also a retired one.
        "grpc.use_local_subchannel_pool": 1,
      }),
  );
}

interface UnaryCall {
  readonly message: Buffer;
  readonly call: AttemptContext;
}

function sendUnary(
  { grpc, leases }: OpenChannel,
  address: string,
  { message, call: { headers, signal, timeoutMs, onHeader } }: UnaryCall,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const metadata = new grpc.Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const deadline = Date.now() + timeoutMs;
    const { connection, retire, release } = leases.acquire();
    const call = connection.makeUnaryRequest(
      predictPath,
      asItIs,
      asItIs,
      message,
      metadata,
      { deadline },
      (error: ServiceError | null, reply?: Buffer) => {
        signal.removeEventListener("abort", cancel);
        if (error?.code === grpcCode.DEADLINE_EXCEEDED) retire();
        release();
        if (error) reject(failureFromStatus(error, address));
        else resolve(reply ?? Buffer.alloc(0));
      },
    );
    call.on("metadata", (received) =>
      onHeader((name) => received.get(name)[0]?.toString() ?? null),
    );
    const cancel = () => {
      retire();
      call.cancel();
    };
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
  });
}
