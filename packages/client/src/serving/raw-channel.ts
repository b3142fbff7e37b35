import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { AttemptContext } from "@tensorgate/client-core";
import { grpcCode } from "@tensorgate/grpc";
import { createConnectionLeases, maxIdleMs } from "../connection-leases.ts";
import { maxReplyBytes } from "../reply-limit.ts";
import { failureFromStatus } from "./serving-failure.ts";

/** Calls `Predict` with encoded messages. */
export interface RawChannel {
  /** @throws ScoringError by the status of the server */
  unary(message: Buffer, call: AttemptContext): Promise<Buffer>;
  close(): void;
}

const predictPath = "/tensorflow.serving.PredictionService/Predict";

const asItIs = (bytes: Buffer): Buffer => bytes;

/** Creates a gRPC channel to `address`; its connection is replaced when a call on it is given up. */
export function createRawChannel(address: string, useTls: boolean): RawChannel {
  const leases = createConnectionLeases(
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
  return {
    unary: (message, { headers, signal, timeoutMs, onHeader }) =>
      new Promise((resolve, reject) => {
        const metadata = new Metadata();
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
        call.on("metadata", (received: Metadata) =>
          onHeader((name) => received.get(name)[0]?.toString() ?? null),
        );
        const cancel = () => {
          retire();
          call.cancel();
        };
        signal.addEventListener("abort", cancel, { once: true });
        if (signal.aborted) cancel();
      }),
    close: () => leases.close(),
  };
}
