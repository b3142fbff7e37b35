import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { connect } from "node:tls";

/** A port of this machine, for this machine, that speaks TLS to another one. */
export interface TlsTunnel extends AsyncDisposable {
  readonly port: number;
}

/**
 * Opens a tunnel to a forwarded port that expects TLS. Its certificate is for the names of the service and cannot be
 * verified for 127.0.0.1: kubectl, which forwards the port, has verified the API server that leads into the pod.
 */
export async function openTlsTunnel(target: number): Promise<TlsTunnel> {
  const open = new Set<Socket>();
  const server = createServer((plain) => {
    const secure = connect({ host: "127.0.0.1", port: target, rejectUnauthorized: false });
    for (const socket of [plain, secure]) {
      open.add(socket);
      socket.once("close", () => {
        open.delete(socket);
        plain.destroy();
        secure.destroy();
      });
      socket.on("error", () => socket.destroy());
    }
    plain.pipe(secure).pipe(plain);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
