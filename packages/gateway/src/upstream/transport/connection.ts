import http2 from "node:http2";
import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "@tensorgate/core";
import type { Credentials } from "./credentials.ts";
import type { ChannelOptions } from "./options.ts";

export interface ConnectionDeps {
  /** `host:port`: what calls name as their authority, and what a certificate must be for. */
  readonly address: string;
  /** Where that is, without brackets, if its host was resolved already. */
  readonly ip?: string;
  readonly credentials: Credentials;
  readonly settings: Required<ChannelOptions>;
  readonly clock: Clock;
  /** Told how long a ping took, in milliseconds: one for each connection, as soon as it is made. */
  readonly onPing: (durationMs: number) => void;
}

/** One HTTP/2 connection to one address: made when it is needed, made anew when it is lost, old or silent. */
export interface Connection {
  /** @throws SettingError if a file of the credentials cannot be used */
  open(): OpenConnection;
  /** Told that a call at `session` has ended. */
  released(session: http2.ClientHttp2Session): void;
  /**
   * Told that a call at `session` was given up. Where nothing at all has come from the other side since it began, the
   * other side may be gone, and is asked for a sign of life.
   */
  suspect(session: http2.ClientHttp2Session, receivedBytesThen: number): void;
  close(): void;
}

export interface OpenConnection {
  readonly session: http2.ClientHttp2Session;
  /** Those that every call carries. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Set once the other side has said that it takes no more calls here: streams with a higher id were not looked at.
   * @see RFC 9113, section 6.8
   */
  readonly lastProcessedId?: number;
  /** Whether it said so without an error. */
  readonly endsInPeace?: boolean;
}

interface Held extends OpenConnection {
  lastProcessedId?: number;
  endsInPeace?: boolean;
  /** Calls that are in flight. */
  callCount: number;
  /** Calls that it ever had. */
  openedCount: number;
  /** When its last call began or ended. */
  usedAtMs: number;
}

/** A connection has 2 ** 30 stream ids for its calls, which 500 a second use up in 25 days. */
const maxCallsOfConnection = 1_000_000_000;

/** Longest headers, and trailers, of a reply, in bytes as HTTP/2 counts them. */
export const maxHeaderBytes = 16_384;

/** ORIGIN and ALTSVC frames that a connection may bring: each costs time, and means nothing to us. */
const maxUselessFrames = 100;

export function createConnection({
  address,
  ip,
  credentials,
  settings: { connectTimeoutMs, windowBytes, idleTimeoutMs },
  clock,
  onPing,
}: ConnectionDeps): Connection {
  let current: Held | undefined;

  function connect(): Held {
    const { tls, headers } = credentials.read();
    const session = http2.connect(`${credentials.scheme}://${address}`, {
      ...tls,
      ...(ip !== undefined && { lookup: lookupOf(ip) }),
      // The default of 10 MB fails at 64 calls of 600 KB each.
      maxSessionMemory: 1024,
      settings: {
        enablePush: false,
        initialWindowSize: windowBytes,
        maxHeaderListSize: maxHeaderBytes,
      },
    });
    endIfFlooded(session);
    const connectTimer = clock.setTimer(connectTimeoutMs, () => {
      session.destroy(new Error(`no connection within ${connectTimeoutMs} ms`));
    });
    session.once("connect", () => {
      connectTimer[Symbol.dispose]();
      // It may have been closed while it was made.
      if (session.destroyed) return;
      session.setLocalWindowSize(windowBytes);
      // Waiting callers keep the process alive, an idle connection does not.
      session.unref();
      session.ping((error, durationMs) => {
        if (!error) onPing(durationMs);
      });
    });
    // Every stream reports the error to its own caller.
    session.on("error", () => {});
    const forget = () => {
      connectTimer[Symbol.dispose]();
      if (current?.session === session) current = undefined;
    };
    session.once("close", forget);
    const held: Held = { session, headers, callCount: 0, openedCount: 0, usedAtMs: clock.nowMs() };
    // It may come twice: first for all that was sent so far, then with the id.
    session.on("goaway", (code, lastProcessedId) => {
      held.endsInPeace = code === http2.constants.NGHTTP2_NO_ERROR;
      held.lastProcessedId = lastProcessedId;
      forget();
    });
    return held;
  }

  return {
    open: () => {
      const nowMs = clock.nowMs();
      if (current) {
        const { session, callCount, openedCount, usedAtMs } = current;
        // Load balancers drop what is idle without a word, and the next call would wait for nothing.
        const isStale = callCount === 0 && nowMs - usedAtMs >= idleTimeoutMs;
        if (isStale || openedCount >= maxCallsOfConnection) {
          session.close();
          current = undefined;
        }
      }
      if (!current || current.session.closed || current.session.destroyed) current = connect();
      current.callCount += 1;
      current.openedCount += 1;
      current.usedAtMs = nowMs;
      return current;
    },

    released: (session) => {
      if (current?.session !== session) return;
      current.callCount -= 1;
      current.usedAtMs = clock.nowMs();
    },

    suspect: (session, receivedBytesThen) => {
      if (session.closed || session.destroyed || session.connecting) return;
      const isSilent = () => receivedBytesOf(session) === receivedBytesThen;
      if (!isSilent()) return;
      const timer = clock.setTimer(connectTimeoutMs, () => {
        // Behind a long upload a ping waits for its turn, but then there are other signs of life.
        if (!isSilent()) return;
        session.destroy(new Error(`no answer to a ping within ${connectTimeoutMs} ms`));
      });
      // Whether it is an error or not, the connection is told of itself: a lost one is closed by then.
      const isSent = session.ping(() => timer[Symbol.dispose]());
      if (!isSent) timer[Symbol.dispose]();
    },

    close: () => current?.session.close(),
  };
}

/**
 * Ends a connection whose other side goes on about things that no server has a use for. Other floods, of SETTINGS, PING
 * or empty frames, end it in `node:http2` itself.
 */
function endIfFlooded(session: http2.ClientHttp2Session): void {
  let count = 0;
  const onFrame = () => {
    count += 1;
    if (count > maxUselessFrames) session.destroy(new Error("too many frames"));
  };
  session.on("altsvc", onFrame);
  session.on("origin", onFrame);
}

/** Answers for the one name that is asked for: so calls and certificates keep the name, and packets go to `ip`. */
function lookupOf(ip: string): LookupFunction {
  const family = isIP(ip);
  return (_hostname, { all }, told) => {
    if (all) told(null, [{ address: ip, family }]);
    else told(null, ip, family);
  };
}

/** What has come from the other side so far, window updates and all. */
export function receivedBytesOf({ socket, destroyed }: http2.ClientHttp2Session): number {
  return destroyed ? 0 : (socket.bytesRead ?? 0);
}
