import type net from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "@tensorgate/core";
import type { ListenSettings } from "../../options.ts";
import { networkOf } from "../address-network.ts";
import type { RejectionReason } from "./rejections.ts";

/** One caller's connection, from the moment it is accepted. */
export interface Connection {
  /** Whoever speaks HTTP on it now: the socket itself, or TLS around it. */
  transport: Duplex;
  /** Ends an HTTP/2 session: GOAWAY, then nothing new, then the end once its streams have ended. */
  closeSession: (() => void) | undefined;
  /** Exchanges that have begun and not ended. */
  readonly exchangeCount: number;
  /** An exchange begins; the connection is not ended until as many have ended. */
  begin(): void;
  end(): void;
  /** Resets it now, whatever is under way: what the kernel still holds for it is dropped, too. */
  reset(): void;
}

/** Every open connection: how many there are, how many each address has, and how long each may stay silent. */
export interface Connections {
  readonly count: number;
  /** @returns undefined, and closes the socket, if there are enough of them */
  admit(socket: net.Socket): Connection | undefined;
  /**
   * Ends HTTP/2 sessions as soon as their streams have ended, and other connections when their exchanges have.
   *
   * @param keepsIdle - leaves an HTTP/1.1 connection with nothing under way open: a proxy may be sending on it
   */
  drain(keepsIdle: boolean): void;
  /** Cuts all of them, and those that may still come. */
  destroyAll(): void;
  /** Resolves when the last one is closed. */
  empty(): Promise<void>;
}

export interface ConnectionsParts {
  readonly limits: Pick<
    ListenSettings,
    "maxConnections" | "maxConnectionsPerAddress" | "idleTimeoutMs"
  >;
  /** How long a new connection may take until its first request, in milliseconds. */
  readonly headerTimeoutMs: number;
  /** Whether a socket took one of the last files that the process may open. */
  readonly isNearFileLimit: (socket: net.Socket) => boolean;
  readonly onRejected: (reason: RejectionReason) => void;
  readonly clock: Clock;
}

/** How long a connection that was ended gently may take, in milliseconds: a peer that reads nothing never ends. */
const lingerMs = 5_000;

export function connections(parts: ConnectionsParts): Connections {
  const { limits, headerTimeoutMs, isNearFileLimit, onRejected, clock } = parts;
  const open = new Map<net.Socket, OpenConnection>();
  const countOf = new Map<string, number>();
  let draining: "no" | "idle-kept" | "idle-closed" = "no";
  let isOver = false;
  let whenEmpty: PromiseWithResolvers<void> | undefined;

  interface OpenConnection extends Connection {
    /** Ends it: an HTTP/2 session gently, within `lingerMs`. */
    leave(): void;
  }

  function admit(socket: net.Socket): Connection | undefined {
    socket.on("error", () => {});
    if (isOver) return void socket.destroy();
    const network = networkOf(socket.remoteAddress);
    const count = countOf.get(network) ?? 0;
    const rejected = isNearFileLimit(socket) ? "file-limit" : rejectionOf(count);
    if (rejected) {
      socket.destroy();
      onRejected(rejected);
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
      if (open.size === 0) whenEmpty?.resolve();
    });
    return connection;
  }

  function rejectionOf(countOfAddress: number): RejectionReason | undefined {
    if (open.size >= limits.maxConnections) return "total-limit";
    return countOfAddress >= limits.maxConnectionsPerAddress ? "address-limit" : undefined;
  }

  function opened(socket: net.Socket): OpenConnection {
    let exchangeCount = 0;
    const reset = () => {
      if (!socket.destroyed) socket.resetAndDestroy();
      connection.transport.destroy();
    };
    let timer = clock.setTimer(headerTimeoutMs, () => connection.transport.destroy());
    socket.once("close", () => timer[Symbol.dispose]());
    const connection: OpenConnection = {
      transport: socket,
      closeSession: undefined,
      get exchangeCount() {
        return exchangeCount;
      },
      reset,
      leave: () => {
        timer[Symbol.dispose]();
        if (!connection.closeSession) return void connection.transport.destroy();
        connection.closeSession();
        if (!socket.destroyed) timer = clock.setTimer(lingerMs, reset);
      },
      begin: () => {
        exchangeCount += 1;
        timer[Symbol.dispose]();
      },
      end: () => {
        exchangeCount -= 1;
        if (exchangeCount > 0 || socket.destroyed) return;
        const isLeaving =
          draining === "idle-closed" || (draining !== "no" && isSession(connection));
        if (isLeaving) return connection.leave();
        timer[Symbol.dispose]();
        timer = clock.setTimer(limits.idleTimeoutMs, () => connection.leave());
      },
    };
    return connection;
  }

  return {
    get count() {
      return open.size;
    },
    admit,
    drain: (keepsIdle) => {
      draining = keepsIdle ? "idle-kept" : "idle-closed";
      for (const connection of open.values()) {
        if (connection.exchangeCount > 0) connection.closeSession?.();
        else if (isSession(connection) || !keepsIdle) connection.leave();
      }
    },
    destroyAll: () => {
      isOver = true;
      for (const [socket, { transport }] of open) {
        transport.destroy();
        socket.destroy();
      }
    },
    empty: () => {
      if (open.size === 0) return Promise.resolve();
      whenEmpty ??= Promise.withResolvers();
      return whenEmpty.promise;
    },
  };
}

const isSession = ({ closeSession }: Connection): boolean => closeSession !== undefined;
