import http2 from "node:http2";
import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "@tensorgate/core";
import type { Credentials } from "./credentials.ts";
import type { ChannelOptions } from "./options.ts";

export interface ConnectionDeps {
  /** `host:port`: the authority of calls, and the name of the certificate. */
  readonly address: string;
  /** IP address, without brackets, if its host was resolved already. */
  readonly ip?: string;
  readonly credentials: Credentials;
  readonly settings: Required<ChannelOptions>;
  readonly clock: Clock;
}

/** An HTTP/2 connection to one address: opened when it is needed, and opened again when it is lost, idle for long or silent. */
export interface UpstreamConnection {
  /** @throws SettingError if a file of the credentials cannot be used */
  open(): OpenConnection;
  /** Releases a call at `session` that has ended. */
  released(session: http2.ClientHttp2Session): void;
  /**
   * Probes the connection after a call at `session` was cancelled. If no byte was received since the call started, the
   * server may be gone: it is closed unless it answers a ping.
   */
  suspect(session: http2.ClientHttp2Session, receivedBytesThen: number): void;
  /** Measured by one ping for each connection, as soon as it is open, and by calls. */
  readonly roundTrip: RoundTrip;
  close(): void;
}

export interface OpenConnection {
  readonly session: http2.ClientHttp2Session;
  /** Headers of every call. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Set once the server has sent GOAWAY: streams with a higher id were not processed.
   * @see RFC 9113, section 6.8
   */
  readonly lastProcessedId?: number;
  /** Whether GOAWAY came without an error. */
  readonly endsInPeace?: boolean;
  /** Starts no more calls here, and closes it when those in flight have ended. */
  readonly retire: () => void;
}

interface LiveConnection extends OpenConnection {
  lastProcessedId?: number;
  endsInPeace?: boolean;
  /** Calls that are in flight. */
  callCount: number;
  /** Calls since it was opened. */
  openedCount: number;
  /** When its last call started or ended. */
  usedAtMs: number;
}

/** A connection has 2 ** 30 stream ids for its calls, which 500 a second use up in 25 days. */
const maxCallsOfConnection = 1_000_000_000;

/** Longest headers, and trailers, of a reply, in bytes as HTTP/2 counts them. */
export const maxHeaderBytes = 16_384;

/** ORIGIN and ALTSVC frames that a connection may receive: they have no use here, and each costs time. */
const maxUselessFrames = 100;

export function createConnection({
  address,
  ip,
  credentials,
  settings: { connectTimeoutMs, windowBytes, idleTimeoutMs },
  clock,
}: ConnectionDeps): UpstreamConnection {
  const roundTrip = createRoundTrip(clock);
  let current: LiveConnection | undefined;

  function connect(): LiveConnection {
    const { tls, headers } = credentials.read();
    const session = http2.connect(`${credentials.scheme}://${address}`, {
      ...tls,
      ...(ip !== undefined && { lookup: lookupOf(ip) }),
      // A status message that ends in a blank, as TensorFlow's do, would be dropped.
      strictFieldWhitespaceValidation: false,
      // Node counts what a cancelled call left unsent, never takes it off again, and at the limit refuses every call.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
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
      // It may have been closed before it was open.
      if (session.destroyed) return;
      session.setLocalWindowSize(windowBytes);
      // Waiting callers keep the process alive, an idle connection does not.
      session.unref();
      session.ping((error, durationMs) => {
        if (!error) roundTrip.pinged(durationMs);
      });
    });
    // Every stream reports the error to its own caller.
    session.on("error", () => {});
    const forget = () => {
      connectTimer[Symbol.dispose]();
      if (current?.session === session) current = undefined;
    };
    session.once("close", forget);
    const retire = () => {
      forget();
      session.close();
    };
    const held: LiveConnection = {
      session,
      headers,
      retire,
      callCount: 0,
      openedCount: 0,
      usedAtMs: clock.nowMs(),
    };
    // GOAWAY may come twice: first for a graceful shutdown, then with the last id.
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
        const { callCount, openedCount, usedAtMs } = current;
        // Load balancers drop idle connections without closing them, and the next call would get no answer.
        const isStale = callCount === 0 && nowMs - usedAtMs >= idleTimeoutMs;
        if (isStale || openedCount >= maxCallsOfConnection) current.retire();
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
        // Behind a long upload a ping is delayed, but then window updates are received.
        if (!isSilent()) return;
        session.destroy(new Error(`no answer to a ping within ${connectTimeoutMs} ms`));
      });
      // The result does not matter: a lost connection is closed by then.
      const isSent = session.ping(() => timer[Symbol.dispose]());
      if (!isSent) timer[Symbol.dispose]();
    },

    roundTrip,

    close: () => current?.session.close(),
  };
}

/**
 * Closes a connection that is flooded with ORIGIN or ALTSVC frames. Floods of SETTINGS, PING or empty frames are handled
 * by `node:http2` itself.
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

/** Resolves every name to `ip`: calls and certificates keep the name of the authority. */
function lookupOf(ip: string): LookupFunction {
  const family = isIP(ip);
  return (_hostname, { all }, onResolved) => {
    if (all) onResolved(null, [{ address: ip, family }]);
    else onResolved(null, ip, family);
  };
}

/** Returns the bytes received so far, all frames counted. */
export function receivedBytesOf({ socket, destroyed }: http2.ClientHttp2Session): number {
  return destroyed ? 0 : (socket.bytesRead ?? 0);
}

/** How far away a server is, by what calls without work take there and back. A `Predict` would add what it computes. */
export interface RoundTrip {
  /** In milliseconds; undefined until something was measured. */
  ms(): number | undefined;
  /** @param durationMs - of an HTTP/2 ping, in milliseconds */
  pinged(durationMs: number): void;
  /** @param durationMs - from a call without work to the first of its answer, in milliseconds */
  answered(durationMs: number): void;
}

/** How long a measurement counts, in milliseconds: at least this, at most twice as long. */
const windowMs = 30_000;

/**
 * The shortest of late: whatever else a call waits for only makes it longer.
 *
 * Calls count rather than pings where there are any. A proxy answers pings in the place of a server that is far behind
 * it; and servers count pings, and close on whom they find too keen, so there is one for each connection. A single call
 * may have waited for a busy processor, here or there: until the second one the ping counts too.
 */
export function createRoundTrip(clock: Clock): RoundTrip {
  let pingMs: number | undefined;
  let beforeMs: number | undefined;
  let windowStartedMs = 0;
  let nowMs: number | undefined;
  let callCount = 0;

  return {
    ms: () => {
      const calledMs = least(beforeMs, nowMs);
      return callCount < 2 ? least(calledMs, pingMs) : calledMs;
    },
    pinged: (durationMs) => {
      pingMs = durationMs;
    },
    answered: (durationMs) => {
      const atMs = clock.nowMs();
      if (atMs - windowStartedMs >= windowMs) {
        beforeMs = atMs - windowStartedMs >= 2 * windowMs ? undefined : nowMs;
        nowMs = undefined;
        windowStartedMs = atMs;
      }
      nowMs = least(nowMs, durationMs);
      callCount += 1;
    },
  };
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
