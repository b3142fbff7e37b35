import type net from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "@tensorgate/core";
import { networkOf } from "../address-network.ts";
import type { ListenSettings } from "../options.ts";

/** One caller's connection, from the moment it is accepted. */
export interface Connection {
  /** Whoever speaks HTTP on it now: the socket itself, or TLS around it. */
  transport: Duplex;
  /** How it is told to end when nothing is under way; a session says goodbye, a socket is cut. */
  endGently: () => void;
  /** An exchange begins; nobody ends the connection until as many have ended. */
  begin(): void;
  end(): void;
}

/** Every open connection: how many each address has, and how long each may stay silent. */
export interface Connections {
  readonly count: number;
  /** @returns undefined, and closes the socket, if its address has enough of them or we are closing */
  admit(socket: net.Socket): Connection | undefined;
  /** Takes no new ones, ends those with nothing under way now and the others when they are done. */
  drain(): void;
  destroyAll(): void;
  /** Resolves when the last one is closed. */
  empty(): Promise<void>;
}

export interface ConnectionsParts {
  readonly limits: Pick<ListenSettings, "maxConnectionsPerAddress" | "idleTimeoutMs">;
  /** How long a new connection may take until its first request, in milliseconds. */
  readonly headerTimeoutMs: number;
  readonly clock: Clock;
}

export function connections({ limits, headerTimeoutMs, clock }: ConnectionsParts): Connections {
  const open = new Map<net.Socket, OpenConnection>();
  const countOf = new Map<string, number>();
  let isDraining = false;
  let whenEmpty: (() => void) | undefined;

  interface OpenConnection extends Connection {
    isBusy(): boolean;
  }

  function admit(socket: net.Socket): Connection | undefined {
    socket.on("error", () => {});
    const network = networkOf(socket.remoteAddress);
    const count = countOf.get(network) ?? 0;
    if (isDraining || count >= limits.maxConnectionsPerAddress) {
      socket.destroy();
      return undefined;
    }
    countOf.set(network, count + 1);
    const connection = opened(socket);
    open.set(socket, connection);
    socket.once("close", () => {
      open.delete(socket);
      const left = (countOf.get(network) ?? 1) - 1;
      if (left > 0) countOf.set(network, left);
      else countOf.delete(network);
      if (open.size === 0) whenEmpty?.();
    });
    return connection;
  }

  function opened(socket: net.Socket): OpenConnection {
    let exchangeCount = 0;
    const cut = () => connection.transport.destroy();
    let timer = clock.setTimer(headerTimeoutMs, cut);
    socket.once("close", () => timer[Symbol.dispose]());
    const connection: OpenConnection = {
      transport: socket,
      endGently: cut,
      isBusy: () => exchangeCount > 0,
      begin: () => {
        exchangeCount += 1;
        timer[Symbol.dispose]();
      },
      end: () => {
        exchangeCount -= 1;
        if (exchangeCount > 0 || socket.destroyed) return;
        if (isDraining) return connection.endGently();
        timer[Symbol.dispose]();
        timer = clock.setTimer(limits.idleTimeoutMs, () => connection.endGently());
      },
    };
    return connection;
  }

  return {
    get count() {
      return open.size;
    },
    admit,
    drain: () => {
      isDraining = true;
      for (const connection of open.values()) {
        if (!connection.isBusy()) connection.endGently();
      }
    },
    destroyAll: () => {
      for (const [socket, { transport }] of open) {
        transport.destroy();
        socket.destroy();
      }
    },
    empty: () =>
      open.size === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            whenEmpty = resolve;
          }),
  };
}
