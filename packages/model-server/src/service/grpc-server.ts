import { Server } from "@grpc/grpc-js";
import type { Clock } from "@tensorgate/core";
import type { FaultSwitch } from "../faults/fault-switch.ts";
import { withFaults } from "../faults/with-faults.ts";
import { addLatency } from "./latency.ts";
import { listen } from "./listener.ts";
import { addUnary, type UnaryMethod } from "./unary-method.ts";

export interface GrpcServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly roundTripMs: number;
  readonly faults: FaultSwitch;
  readonly clock: Clock;
}

/** The port of the gRPC API. */
export interface GrpcServer {
  readonly port: number;
  /** Stops accepting calls and finishes those in flight; cuts them after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Opens a port for methods. @throws the system's error if the port cannot be opened */
export async function listenGrpc(
  methods: readonly UnaryMethod[],
  { host, port, roundTripMs, faults, clock }: GrpcServerOptions,
): Promise<GrpcServer> {
  // As much as TensorFlow Serving takes; the default of 4 MB refuses eight float pictures.
  const server = new Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  const listener = await listen(server, host, port);
  const { resetConnection } = listener;
  const faulty = withFaults({ faults, clock, resetConnection });
  const distant = addLatency(roundTripMs, clock);
  for (const method of methods) addUnary(server, distant(faulty(method)));
  return {
    port: listener.port,
    close: (graceMs) => {
      listener.stop();
      return new Promise((resolve) => {
        const cut = setTimeout(() => server.forceShutdown(), graceMs);
        server.tryShutdown(() => {
          clearTimeout(cut);
          resolve();
        });
      });
    },
  };
}
