import http2 from "node:http2";
import type { Clock } from "@tensorgate/core";

/** How long a session may take to answer a ping, in milliseconds. */
const pingTimeoutMs = 5_000;

/**
 * Ends one stream of a session whose caller does not read it, and the session if its caller reads nothing at all:
 * a reset waits behind everything else that was not read.
 *
 * @param reset - ends the connection at once
 */
export function createStreamCutter(
  session: http2.ServerHttp2Session,
  { clock, reset }: { readonly clock: Clock; readonly reset: () => void },
): (stream: http2.ServerHttp2Stream) => void {
  let awaited: Disposable | undefined;
  session.once("close", () => awaited?.[Symbol.dispose]());

  return (stream) => {
    stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    if (awaited || session.destroyed) return;
    awaited = clock.setTimer(pingTimeoutMs, reset);
    const isSent = session.ping(() => {
      awaited?.[Symbol.dispose]();
      awaited = undefined;
    });
    if (!isSent) reset();
  };
}
