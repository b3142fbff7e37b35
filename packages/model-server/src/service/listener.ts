import { createServer, type Socket } from "node:net";
import { type Server, ServerCredentials } from "@grpc/grpc-js";

/** The port of a server. */
export interface Listener {
  readonly port: number;
  /** Resets the connection of a peer, written as `address:port`; does nothing if it is gone. */
  resetConnection(peer: string): void;
  /** Stops accepting connections. */
  stop(): void;
}

/**
 * Opens the port of a gRPC server. The sockets are opened here, since a gRPC server does not expose its own, and a
 * fault may reset one.
 *
 * @param port - 0 takes a free one
 * @throws the system's error if the port cannot be opened
 */
export function listen(server: Server, host: string, port: number): Promise<Listener> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Map<string, Socket>();
  const listener = createServer({ noDelay: true }, (socket) => {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    sockets.set(peer, socket);
    socket.once("close", () => sockets.delete(peer));
    injector.injectConnection(socket);
  });
  return new Promise((resolve, reject) => {
    listener.on("error", reject);
    listener.listen({ host, port }, () => {
      const address = listener.address();
      resolve({
        port: typeof address === "object" && address ? address.port : port,
        resetConnection: (peer) => void sockets.get(peer)?.resetAndDestroy(),
        stop: () => void listener.close(),
      });
    });
  });
}
