import http2 from "node:http2";

/** Few HTTP/2 connections to one port, used in turns, and replaced when they are lost or get a GOAWAY. */
export interface Connections {
  next(): http2.ClientHttp2Session;
  close(): void;
}

export function connections(port: number, count: number): Connections {
  const sessions: (http2.ClientHttp2Session | undefined)[] = Array.from(
    { length: count },
    () => undefined,
  );
  let turn = 0;

  function connect(slot: number): http2.ClientHttp2Session {
    const session = http2.connect(`http://127.0.0.1:${port}`, {
      // The default of 10 MB is one body of those that are meant to be many.
      maxSessionMemory: 1_024,
      settings: { enablePush: false, initialWindowSize: 1_048_576 },
    });
    // Every stream reports the error to its own call.
    session.on("error", () => {});
    const forget = () => {
      if (sessions[slot] === session) sessions[slot] = undefined;
    };
    session.once("close", forget);
    session.once("goaway", forget);
    sessions[slot] = session;
    return session;
  }

  return {
    next: () => {
      turn = (turn + 1) % count;
      const session = sessions[turn];
      return session && !session.closed && !session.destroyed ? session : connect(turn);
    },
    close: () => {
      for (const session of sessions) session?.destroy();
    },
  };
}

/** Whether a call that ended without an answer is unprocessed. */
export function wasNeverAccepted(
  session: http2.ClientHttp2Session,
  stream: http2.ClientHttp2Stream,
): boolean {
  const hasNoHandshake = session.connecting || session.remoteSettings === undefined;
  const wasRefused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
  return stream.id === undefined || hasNoHandshake || wasRefused;
}
