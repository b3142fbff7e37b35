import type http from "node:http";
import type net from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "@tensorgate/core";
import type { ListenSettings } from "../../options.ts";
import type { RejectionReason } from "./rejections.ts";
import type { Turns } from "./turns.ts";

/** One caller's connection, from the moment it is accepted. */
export interface ClientConnection {
  /** What carries HTTP now: the socket itself, or TLS around it. */
  transport: Duplex;
  /** Ends an HTTP/2 session: GOAWAY, then nothing new, then the end once its streams have ended. */
  closeSession: (() => void) | undefined;
  /** Exchanges that have begun and not ended. */
  readonly exchangeCount: number;
  /** An exchange begins; the connection is not ended until as many have ended. */
  begin(): void;
  end(): void;
  /** Responses over HTTP/1.1 that are not at their end, in the order of their requests. */
  readonly unanswered: http.ServerResponse[];
  /** The latest request has arrived, or the end of its body. */
  received(): void;
  /** The client has closed its sending side. It may still read, or have gone: both look the same until something is sent. */
  halfClose(): void;
  /** Resets it, whatever is in flight: what the kernel still holds for it is dropped, too. */
  reset(): void;
}

/** Every open connection: how many there are, how many each address has, and how long each may stay silent. */
export interface ConnectionTable {
  readonly count: number;
  /** @returns undefined, and closes the socket, if there are enough of them */
  admit(socket: net.Socket): ClientConnection | undefined;
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

export interface ConnectionTableOptions {
  readonly limits: Pick<
    ListenSettings,
    "maxConnections" | "maxConnectionsPerAddress" | "idleTimeoutMs"
  >;
  /** How long a new connection may take until its first request, in milliseconds. */
  readonly headerTimeoutMs: number;
  /** Whether a socket took one of the last files that the process may open. */
  readonly isNearFileLimit: (socket: net.Socket) => boolean;
  readonly onRejected: (reason: RejectionReason) => void;
  readonly turns: Turns;
  readonly clock: Clock;
}

/**
 * How soon after its request a client that still reads closes its sending side, in milliseconds: time for a FIN to be lost
 * and sent again. A later FIN says that the client has gone. If the response takes as long, an interim one finds out.
 */
const halfCloseMs = 500;

/** How long a graceful close may take, in milliseconds: a peer that reads nothing never ends. */
const lingerMs = 5_000;

export function createConnectionTable(options: ConnectionTableOptions): ConnectionTable {
  const { limits, headerTimeoutMs, isNearFileLimit, onRejected, turns, clock } = options;
  const open = new Map<net.Socket, OpenClientConnection>();
  const countOf = new Map<string, number>();
  let draining: "no" | "idle-kept" | "idle-closed" = "no";
  let isOver = false;
  let whenEmpty: PromiseWithResolvers<void> | undefined;

  interface OpenClientConnection extends ClientConnection {
    exchangeCount: number;
    /** It is closed if no other request comes soon. */
    awaitNext(): void;
    /** Closes it: an HTTP/2 session gracefully, within `lingerMs`. */
    close(): void;
  }

  function admit(socket: net.Socket): ClientConnection | undefined {
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

  function opened(socket: net.Socket): OpenClientConnection {
    const reset = () => {
      if (!socket.destroyed) socket.resetAndDestroy();
      connection.transport.destroy();
    };
    let receivedMs = clock.nowMs();
    /** Node notices a reset only when it writes; no byte is enough, and goes beside TLS. */
    const noticeReset = () => {
      timer = clock.setTimer(halfCloseMs, noticeReset);
      socket.write("");
    };
    let timer = clock.setTimer(headerTimeoutMs, () => connection.transport.destroy());
    socket.once("close", () => {
      timer[Symbol.dispose]();
      // Before version 24, Node closes no response that waits for an earlier one.
      while (connection.exchangeCount > 0) connection.end();
    });
    const readAgain = () => {
      const { transport, exchangeCount } = connection;
      transport.resume();
      // It may have been read ahead, and then a request is in flight.
      if (exchangeCount === 0 && !socket.destroyed) connection.awaitNext();
    };
    const closeIdle = () => connection.close();
    const connection: OpenClientConnection = {
      transport: socket,
      closeSession: undefined,
      unanswered: [],
      exchangeCount: 0,
      reset,
      awaitNext: () => {
        timer[Symbol.dispose]();
        timer = clock.setTimer(limits.idleTimeoutMs, closeIdle);
      },
      close: () => {
        timer[Symbol.dispose]();
        if (!connection.closeSession) return void connection.transport.destroy();
        connection.closeSession();
        if (!socket.destroyed) timer = clock.setTimer(lingerMs, reset);
      },
      begin: () => {
        connection.exchangeCount += 1;
        if (connection.closeSession === undefined) turns.begin();
        timer[Symbol.dispose]();
        receivedMs = clock.nowMs();
      },
      received: () => {
        receivedMs = clock.nowMs();
      },
      halfClose: () => {
        // Without an exchange, and after the last one, node:http ends the connection.
        if (connection.exchangeCount === 0) return;
        if (clock.nowMs() - receivedMs > halfCloseMs) return void connection.transport.destroy();
        timer[Symbol.dispose]();
        timer = clock.setTimer(halfCloseMs, () => {
          timer = clock.setTimer(halfCloseMs, noticeReset);
          probe(connection.unanswered.at(-1));
        });
      },
      end: () => {
        // A response may close after its connection.
        if (connection.exchangeCount === 0) return;
        connection.exchangeCount -= 1;
        const isSession = connection.closeSession !== undefined;
        if (!isSession) turns.end();
        if (connection.exchangeCount > 0 || socket.destroyed) return;
        const isLeaving = draining === "idle-closed" || (draining !== "no" && isSession);
        if (isLeaving) return connection.close();
        if (isSession || !turns.areTaken) return connection.awaitNext();
        timer[Symbol.dispose]();
        connection.transport.pause();
        turns.wait(readAgain);
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
        else if (connection.closeSession || !keepsIdle) connection.close();
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

/**
 * Sends an interim response, which every client of HTTP/1.1 discards; the network resets the connection if the client has
 * gone. Nothing is sent behind another response, nor to HTTP/1.0, which has no interim responses.
 *
 * @see RFC 9110, section 15.2
 */
function probe(response: http.ServerResponse | undefined): void {
  if (!response?.socket || response.headersSent || response.req.httpVersion === "1.0") return;
  response.writeContinue();
}

/** The network whose callers count as one: an IPv4 address, or the /64 network that one customer is given of IPv6. */
export function networkOf(address = ""): string {
  if (!address.includes(":")) return address;
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail = ""] = plain.split("::");
  const headGroups = head === "" ? [] : head.split(":");
  const tailGroups = tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - headGroups.length - tailGroups.length }, () => "0");
  return [...headGroups, ...zeros, ...tailGroups].slice(0, 4).join(":");
}
