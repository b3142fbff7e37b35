import type http2 from "node:http2";
import { nodeHttp, nodeHttp2 } from "../../../node-modules.ts";
import {
  type Http2Connection,
  type Http2Events,
  type Http2Options,
  type Http2Receiver,
  type Http2Request,
  type Http2Stream,
  http2Code,
  maxHeaderBytes,
} from "./contract.ts";

/** Of HEADERS without a body. @see RFC 9113, section 6.2 */
const endStreamFlag = 0x1;

/** ORIGIN and ALTSVC frames that a connection may receive: they have no use here, and each costs time. */
const maxUselessFrames = 100;

/** Opens a connection by `node:http2`. */
export function openNodeHttp2(
  { scheme, authority, lookup, tls, windowBytes, headers }: Http2Options,
  { onConnect, onGoaway, onClose }: Http2Events,
): Http2Connection {
  const session = nodeHttp2().connect(`${scheme}://${authority}`, {
    ...tls,
    ...(lookup && { lookup }),
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
  session.once("connect", () => {
    // It may have been closed before it was open.
    if (session.destroyed) return;
    session.setLocalWindowSize(windowBytes);
    // Waiting callers keep the process alive, an idle connection does not.
    session.unref();
    onConnect();
  });
  // Every stream reports the error to its own caller.
  session.on("error", () => {});
  session.on("goaway", onGoaway);
  session.once("close", onClose);

  const { validateHeaderName, validateHeaderValue } = nodeHttp();

  /**
   * Without strict validation, which replies must not have, Node sends line feeds, NUL and cut characters, too.
   *
   * @throws TypeError
   */
  function checkHeaders(sent: Http2Request["headers"]): void {
    for (const name in sent) {
      validateHeaderName(name);
      validateHeaderValue(name, sent[name] ?? "");
    }
  }

  return {
    get isConnecting() {
      return session.connecting;
    },
    get isClosed() {
      return session.closed || session.destroyed;
    },
    get receivedBytes() {
      return session.destroyed ? 0 : (session.socket.bytesRead ?? 0);
    },
    send: (request, receiver) => {
      checkHeaders(request.headers);
      return new NodeStream(
        session,
        { ...request, headers: { ...request.headers, ...headers } },
        receiver,
      );
    },
    ping: (onAnswer) =>
      !session.destroyed &&
      session.ping((error, durationMs) => onAnswer(error ? undefined : durationMs)),
    close: () => session.close(),
    destroy: (error) => session.destroy(error),
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

/** A request by `node:http2`. */
class NodeStream implements Http2Stream {
  resetCode = 0;
  readonly #stream: http2.ClientHttp2Stream;
  readonly #receiver: Http2Receiver;
  /** Whether all of the reply was received. */
  #isWhole = false;
  #isOver = false;
  #mayReadBody = false;
  #failure: Error | undefined;

  constructor(
    session: http2.ClientHttp2Session,
    { path, headers, body }: Http2Request,
    receiver: Http2Receiver,
  ) {
    const stream = session.request({ ":method": "POST", ":path": path, ...headers });
    this.#stream = stream;
    this.#receiver = receiver;
    stream.on("headers", () => {
      if (!this.#isOver) receiver.onInterim();
    });
    // Each of these comes at most once; a listener that removes itself would cost a closure more.
    stream.on("response", (received, flags, raw = []) => {
      this.#isWhole = (flags & endStreamFlag) !== 0;
      if (!this.#isOver) receiver.onHeaders(received, headerBytes(raw), this.#isWhole);
    });
    stream.on("trailers", (received, _flags, raw = []) => {
      this.#isWhole = true;
      if (!this.#isOver) receiver.onTrailers(received, headerBytes(raw));
    });
    stream.on("data", (piece: Buffer) => {
      if (!this.#isOver) receiver.onData(piece);
    });
    stream.on("end", () => {
      if (this.#isWhole) this.#end();
      // A stream that was reset ends as well, and its code is known when it is closed.
      else if (!this.#isOver) stream.close(http2Code.CANCEL);
    });
    stream.on("error", (error) => {
      this.#failure ??= error;
    });
    stream.on("close", () => this.#end());
    if (body.length > 1) stream.cork();
    for (let index = 0; index < body.length - 1; index += 1) stream.write(body[index]);
    stream.end(body.at(-1));
    if (body.length > 1) stream.uncork();
  }

  get id(): number | undefined {
    return this.#stream.id;
  }

  get mayReadBody(): boolean {
    return this.#isOver ? this.#mayReadBody : this.#stream.writableLength > 0;
  }

  cancel(): void {
    if (this.#isOver) return;
    const stream = this.#stream;
    this.#mayReadBody = this.mayReadBody;
    this.#isOver = true;
    const hasEnded = this.#isWhole && stream.readableEnded && stream.writableFinished;
    if (!stream.destroyed && !hasEnded) {
      stream.close(http2Code.CANCEL);
      // A stream is closed only when that was sent, which a server that reads nothing puts off without end: the picture
      // would be held until then.
      stream.destroy();
    }
    this.resetCode = stream.rstCode;
  }

  #end(): void {
    if (this.#isOver) return;
    this.cancel();
    this.#receiver.onClose(this.#failure);
  }
}

/** Node holds a server to the limit only once it has acknowledged our settings. @see RFC 9113, section 6.5.2 */
function headerBytes(raw: readonly string[]): number {
  let byteCount = 0;
  for (const text of raw) byteCount += text.length + 16;
  return byteCount;
}
