import type { ConnectionOptions, TlsOptions } from "node:tls";
import type { Clock } from "@tensorgate/core";
import { nodeTls } from "../node-modules.ts";
import { createPeerConnection, type PeerMessage } from "./peer-connection.ts";

/** Changes with the messages: gateways of different protocols do not share, as during an update. */
const protocol = 1;

/** Interval of pings of a follower, in milliseconds. */
const pingMs = 20;
/** Unanswered pings after which the owner is lost. They are counted, so that a stall of this process loses no owner. */
const maxUnanswered = 4;
/** Time for a connection and its first answer, in milliseconds. */
const connectTimeoutMs = 500;
/** Interval at which the owner looks for silent followers, and how many times in a row one may be silent. */
const silence = { checkMs: 100, max: 5 } as const;
/** Weight of a longer round trip. A shorter one counts whole: it is closer to the truth. */
const longerWeight = 0.05;
const maxFollowers = 1_000;

interface Hello extends PeerMessage {
  readonly type: "hello";
  readonly protocol: number;
}
interface Ping extends PeerMessage {
  readonly type: "ping";
  readonly id: number;
  /** As the follower measured it, in milliseconds; absent before. */
  readonly roundTripMs?: number;
}
interface Pong extends PeerMessage {
  readonly type: "pong";
  readonly id: number;
  readonly gatewayCount: number;
}
interface Refused extends PeerMessage {
  readonly type: "refused";
  readonly because: string;
  /** Whether it owns the slots all the same. */
  readonly isOwner: boolean;
}
type Control = Hello | Ping | Pong | Refused;

/** The other gateways, as their owner sees them. */
export interface FollowerLinks {
  readonly count: number;
  tell(peer: string, message: PeerMessage): void;
  listen(address: { readonly host: string; readonly port: number }): Promise<number>;
  /** Ends all connections: this gateway is not the owner any more. */
  dropAll(): void;
  close(): void;
}

export interface FollowerLinksDeps {
  readonly tls: TlsOptions;
  /** Whether this gateway is the owner. */
  readonly isOwner: () => boolean;
  /** Called with each message. What it throws ends the connection. `detourMs` is one way to the gateway, in milliseconds. */
  readonly onMessage: (peer: string, detourMs: number, message: PeerMessage) => void;
  readonly onLeft: (peer: string) => void;
  readonly clock: Clock;
}

/** Accepts connections of gateways that follow this one. */
export function createFollowerLinks(deps: FollowerLinksDeps): FollowerLinks {
  const { isOwner, clock } = deps;
  const followers = new Map<
    string,
    { readonly link: ReturnType<typeof createPeerConnection>; silentFor: number }
  >();
  let lastPeer = 0;
  let timer: Disposable | undefined;

  const server = nodeTls().createServer(
    { ...deps.tls, handshakeTimeout: connectTimeoutMs },
    (socket) => {
      socket.setNoDelay(true);
      lastPeer += 1;
      const peer = String(lastPeer);
      let detourMs = 0;
      let isRefused = false;
      const answer = (message: Control) => link.send(message);
      const link = createPeerConnection(socket, {
        onMessage: (message) => {
          const follower = followers.get(peer);
          if (follower) follower.silentFor = 0;
          const control = message as Control;
          if (control.type === "hello") {
            const because = refusal(control);
            isRefused = because !== undefined;
            if (because !== undefined) answer({ type: "refused", because, isOwner: isOwner() });
            else followers.set(peer, { link, silentFor: 0 });
          } else if (isRefused) return;
          else if (!follower) throw new RangeError("there was no hello");
          else if (control.type === "ping") {
            detourMs = Math.max(0, Number(control.roundTripMs ?? 0)) / 2 || 0;
            answer({ type: "pong", id: control.id, gatewayCount: followers.size + 1 });
          } else deps.onMessage(peer, detourMs, message);
        },
        onClose: () => {
          if (followers.delete(peer)) deps.onLeft(peer);
        },
      });
    },
  );
  server.maxConnections = maxFollowers;
  // A connection without the secret belongs to no gateway, and ends by itself.
  server.on("tlsClientError", () => {});

  function refusal({ protocol: theirs }: Hello): string | undefined {
    if (theirs !== protocol) return `this gateway speaks protocol ${protocol}, not ${theirs}`;
    return isOwner() ? undefined : "this gateway does not own the slots";
  }

  function dropSilent(): void {
    timer = clock.setTimer(silence.checkMs, dropSilent);
    for (const follower of followers.values()) {
      follower.silentFor += 1;
      if (follower.silentFor > silence.max) follower.link.close();
    }
  }

  function dropAll(): void {
    for (const { link } of followers.values()) link.close();
  }

  return {
    get count() {
      return followers.size;
    },
    tell: (peer, message) => followers.get(peer)?.link.send(message),
    listen: async ({ host, port }) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once("error", reject);
      server.listen(port, host, resolve);
      await promise;
      server.unref();
      dropSilent();
      const bound = server.address();
      return typeof bound === "object" && bound ? bound.port : port;
    },
    dropAll,
    close: () => {
      timer?.[Symbol.dispose]();
      dropAll();
      server.close();
    },
  };
}

/** The owner of the slots lives and does not accept this gateway: it has another secret, or speaks another protocol. */
export class OwnerRefusedError extends Error {
  override readonly name = "OwnerRefusedError";
}

/** The owner, as a gateway that follows it sees it. */
export interface OwnerLink {
  /** Gateways that share the slots, as the owner counts them. */
  readonly gatewayCount: number;
  readonly roundTripMs: number;
  tell(message: PeerMessage): void;
  /** Resolves with the reason when the connection has ended. */
  readonly closed: Promise<string>;
  close(): void;
}

export interface OwnerLinkDeps {
  readonly tls: ConnectionOptions;
  readonly onMessage: (message: PeerMessage) => void;
  readonly clock: Clock;
}

/**
 * Connects to the owner of the slots.
 *
 * @param address - host:port
 * @throws OwnerRefusedError if it lives and does not accept this gateway; Error if it is gone, or does not own the slots
 */
export async function connectToOwner(
  address: string,
  { tls, onMessage, clock }: OwnerLinkDeps,
): Promise<OwnerLink> {
  const { promise: closed, resolve: onClose } = Promise.withResolvers<string>();
  const { promise: accepted, resolve: accept } = Promise.withResolvers<undefined>();
  const { host, port } = hostAndPort(address);
  const socket = nodeTls().connect({ ...tls, host, port });
  socket.setNoDelay(true);
  let because: string | undefined;
  /** Whether the owner is there, whatever it says. */
  let isAlive = false;
  let lastPing = 0;
  let answeredPing = 0;
  let sentMs = 0;
  let timer: Disposable | undefined;
  const link = createPeerConnection(socket, {
    onMessage: (message) => {
      const control = message as Control;
      if (control.type === "refused") {
        because = control.because;
        isAlive = control.isOwner;
        link.close();
      } else if (control.type === "pong") {
        onPong(control);
        accept(undefined);
      } else onMessage(message);
    },
    onClose: (reason) => {
      timer?.[Symbol.dispose]();
      onClose(because ?? reason);
    },
  });

  function onPong({ id, gatewayCount }: Pong): void {
    answeredPing = Math.max(answeredPing, id);
    owner.gatewayCount = gatewayCount;
    if (id !== lastPing) return;
    const tookMs = clock.nowMs() - sentMs;
    const { roundTripMs } = owner;
    const isLonger = roundTripMs > 0 && tookMs > roundTripMs;
    owner.roundTripMs = isLonger ? roundTripMs + longerWeight * (tookMs - roundTripMs) : tookMs;
  }

  function ping(): void {
    if (lastPing - answeredPing >= maxUnanswered) {
      because = "the owner does not answer";
      link.close();
      return;
    }
    timer = clock.setTimer(pingMs, ping);
    lastPing += 1;
    sentMs = clock.nowMs();
    const { roundTripMs } = owner;
    link.send({ type: "ping", id: lastPing, ...(roundTripMs > 0 && { roundTripMs }) } as Ping);
  }

  const owner = {
    gatewayCount: 2,
    roundTripMs: 0,
    tell: (message: PeerMessage) => link.send(message),
    closed,
    close: () => link.close(),
  };
  socket.once("connect", () => {
    isAlive = true;
  });
  using _limit = clock.setTimer(connectTimeoutMs, () => {
    if (answeredPing > 0) return;
    because ??= `no answer within ${connectTimeoutMs} ms`;
    isAlive = false;
    link.close();
  });
  socket.once("secureConnect", () => {
    link.send({ type: "hello", protocol } as Hello);
    ping();
  });
  const failed = await Promise.race([accepted, closed]);
  if (failed !== undefined && isAlive) throw new OwnerRefusedError(`${address}: ${failed}`);
  if (failed !== undefined) throw new Error(`${address}: ${failed}`);
  because = undefined;
  return owner;
}

export function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  return { host, port: Number(address.slice(colon + 1)) };
}
