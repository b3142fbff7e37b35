import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP proxy that loses connections without a word, as a load balancer does with idle ones. */
export interface ForgetfulProxy extends AsyncDisposable {
  readonly port: number;
  /** How many connections it has accepted so far. */
  connectionCount(): number;
  /** From now on no byte passes on the connections that are open, and neither side is closed. New ones work. */
  forget(): void;
}

/** @param onLoss - called with the first byte that is lost on each connection */
export async function startForgetfulProxy(
  targetPort: number,
  onLoss: () => void = () => {},
): Promise<ForgetfulProxy> {
  const pairs = new Set<{ readonly sockets: readonly Socket[]; isForgotten: boolean }>();
  let connectionCount = 0;
  const server = createServer((client) => {
    const target = connect(targetPort, "127.0.0.1");
    const pair = { sockets: [client, target], isForgotten: false };
    let hasLost = false;
    connectionCount += 1;
    pairs.add(pair);
    const pass = (from: Socket, to: Socket) => {
      from.on("error", () => {});
      from.on("data", (bytes: Buffer) => {
        if (!pair.isForgotten) {
          to.write(bytes);
        } else if (!hasLost) {
          hasLost = true;
          onLoss();
        }
      });
      from.on("close", () => {
        pairs.delete(pair);
        if (!pair.isForgotten) to.destroy();
      });
    };
    pass(client, target);
    pass(target, client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const forgotten: Socket[] = [];
  return {
    port: (server.address() as AddressInfo).port,
    connectionCount: () => connectionCount,
    forget: () => {
      for (const pair of pairs) {
        pair.isForgotten = true;
        forgotten.push(...pair.sockets);
      }
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const { sockets } of pairs) for (const socket of sockets) socket.destroy();
        for (const socket of forgotten) socket.destroy();
      }),
  };
}
