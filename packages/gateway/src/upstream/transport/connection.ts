import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "@tensorgate/core";
import type { Credentials } from "./credentials.ts";
import {
  type Http2Connection,
  type Http2Options,
  http2Code,
  type OpenHttp2,
} from "./http2/contract.ts";
import { openNodeHttp2 } from "./http2/node-connection.ts";
import { openOwnHttp2 } from "./http2/own-connection.ts";
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
  /** Opens it for a call that starts now. @throws SettingError if a file of the credentials cannot be used */
  open(nowMs: number): OpenConnection;
  /** Releases a call at `http2` that has ended. */
  released(http2: Http2Connection): void;
  /**
   * Probes the connection after a call at `http2` was cancelled. If no byte was received since the call started, the
   * server may be gone: it is closed unless it answers a ping.
   */
  suspect(http2: Http2Connection, receivedBytesThen: number): void;
  /** Measured by one ping for each connection, as soon as it is open, and by calls. */
  readonly roundTrip: RoundTrip;
  /** Closes it when the calls in flight have ended. Resolves when every call was released. */
  close(): Promise<void>;
}

export interface OpenConnection {
  readonly http2: Http2Connection;
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

export function createConnection({
  address,
  ip,
  credentials,
  settings: { connectTimeoutMs, windowBytes, idleTimeoutMs, transport },
  clock,
}: ConnectionDeps): UpstreamConnection {
  const roundTrip = createRoundTrip(clock);
  const openHttp2: OpenHttp2 = transport === "node" ? openNodeHttp2 : openOwnHttp2;
  const ended = Promise.withResolvers<void>();
  let current: LiveConnection | undefined;
  /** Calls in flight, at connections that were lost or replaced too. */
  let inFlight = 0;
  let isClosing = false;

  function connect(): LiveConnection {
    const { tls, headers } = credentials.read();
    const options: Http2Options = {
      scheme: credentials.scheme,
      authority: address,
      ...(ip !== undefined && { lookup: lookupOf(ip) }),
      tls,
      windowBytes,
      headers: { "content-type": "application/grpc", te: "trailers", ...headers },
    };
    const http2 = openHttp2(options, {
      onConnect: () => {
        connectTimer[Symbol.dispose]();
        http2.ping((roundTripMs) => {
          if (roundTripMs !== undefined) roundTrip.pinged(roundTripMs);
        });
      },
      onGoaway: (code, lastStreamId) => {
        held.endsInPeace = code === http2Code.NO_ERROR;
        held.lastProcessedId = lastStreamId;
        forget();
      },
      onClose: () => forget(),
    });
    const connectTimer = clock.setTimer(connectTimeoutMs, () => {
      http2.destroy(new Error(`no connection within ${connectTimeoutMs} ms`));
    });
    const forget = () => {
      connectTimer[Symbol.dispose]();
      if (current?.http2 === http2) current = undefined;
    };
    const held: LiveConnection = {
      http2,
      retire: () => {
        forget();
        http2.close();
      },
      callCount: 0,
      openedCount: 0,
      usedAtMs: clock.nowMs(),
    };
    return held;
  }

  return {
    open: (nowMs) => {
      if (current) {
        const { callCount, openedCount, usedAtMs } = current;
        // Load balancers drop idle connections without closing them, and the next call would get no answer.
        const isStale = callCount === 0 && nowMs - usedAtMs >= idleTimeoutMs;
        if (isStale || openedCount >= maxCallsOfConnection) current.retire();
      }
      if (!current || current.http2.isClosed) current = connect();
      current.callCount += 1;
      current.openedCount += 1;
      current.usedAtMs = nowMs;
      inFlight += 1;
      return current;
    },

    released: (http2) => {
      inFlight -= 1;
      if (isClosing && inFlight === 0) ended.resolve();
      if (current?.http2 !== http2) return;
      current.callCount -= 1;
      current.usedAtMs = clock.nowMs();
    },

    suspect: (http2, receivedBytesThen) => {
      if (http2.isClosed || http2.isConnecting) return;
      const isSilent = () => http2.receivedBytes === receivedBytesThen;
      if (!isSilent()) return;
      const timer = clock.setTimer(connectTimeoutMs, () => {
        // Behind a long upload a ping is delayed, but then window updates are received.
        if (!isSilent()) return;
        http2.destroy(new Error(`no answer to a ping within ${connectTimeoutMs} ms`));
      });
      // The result does not matter: a lost connection is closed by then.
      const isSent = http2.ping(() => timer[Symbol.dispose]());
      if (!isSent) timer[Symbol.dispose]();
    },

    roundTrip,

    close: () => {
      isClosing = true;
      current?.http2.close();
      return inFlight > 0 ? ended.promise : Promise.resolve();
    },
  };
}

/** Resolves every name to `ip`: calls and certificates keep the name of the authority. */
function lookupOf(ip: string): LookupFunction {
  const family = isIP(ip);
  return (_hostname, { all }, onResolved) => {
    if (all) onResolved(null, [{ address: ip, family }]);
    else onResolved(null, ip, family);
  };
}

/** How far away a server is, by what calls without work take there and back. A `Predict` would add what it computes. */
export interface RoundTrip {
  /** In milliseconds; undefined until something was measured. */
  readonly ms: number | undefined;
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
 * Calls count rather than pings where there are any. A proxy answers pings in place of a server that is far behind
 * it; and servers count pings, and close on whom they find too keen, so there is one for each connection. A single call
 * may have waited for a busy processor, here or there: until the second one the ping counts too.
 */
export function createRoundTrip(clock: Clock): RoundTrip {
  let pingMs: number | undefined;
  let beforeMs: number | undefined;
  let windowStartedMs = 0;
  let nowMs: number | undefined;
  let callCount = 0;

  function update(): void {
    const calledMs = least(beforeMs, nowMs);
    roundTrip.ms = callCount < 2 ? least(calledMs, pingMs) : calledMs;
  }

  const roundTrip: RoundTrip & { ms: number | undefined } = {
    ms: undefined,
    pinged: (durationMs) => {
      pingMs = durationMs;
      update();
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
      update();
    },
  };
  return roundTrip;
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
