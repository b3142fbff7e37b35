import type {
  Http2Connection,
  Http2Options,
  Http2Receiver,
  Http2Request,
  Http2Stream,
  OpenHttp2,
} from "../../packages/gateway/src/upstream/transport/http2/contract.ts";
import { openNodeHttp2 } from "../../packages/gateway/src/upstream/transport/http2/node-connection.ts";
import { openOwnHttp2 } from "../../packages/gateway/src/upstream/transport/http2/own-connection.ts";
import { type RawPeer, startRawHttp2Server } from "./raw-http2-server.ts";

/** Clients of HTTP/2 that keep to one contract. */
export const http2Implementations: readonly {
  readonly name: "node" | "own";
  readonly open: OpenHttp2;
}[] = [
  { name: "own", open: openOwnHttp2 },
  { name: "node", open: openNodeHttp2 },
];

type Fields = Readonly<Record<string, string | readonly string[]>>;

/** What a receiver was told, in order; pieces of the body are joined. */
export interface CallReport {
  interimCount: number;
  headers?: Fields;
  headerBytes?: number;
  isEnd?: boolean;
  bodyBytes: number;
  /** Once the stream has ended. */
  body?: Buffer;
  trailers?: Fields;
  trailerBytes?: number;
}

/** One request, and what was reported about it. */
export class RecordedCall implements Http2Receiver {
  readonly report: CallReport = { interimCount: 0, bodyBytes: 0 };
  /** What the connection did that its contract does not allow. */
  readonly faults: string[] = [];
  /** Resolves to the error that ended the stream, or to undefined. */
  readonly ended: Promise<Error | undefined>;
  readonly #end: (error: Error | undefined) => void;
  #stream: Http2Stream | undefined;
  #isOver = false;
  readonly #pieces: Buffer[] = [];
  #onReport: (() => void)[] = [];

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.ended = promise;
    this.#end = resolve;
  }

  get stream(): Http2Stream {
    return this.#stream as Http2Stream;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  start(connection: Http2Connection, request: Http2Request): void {
    this.#stream = connection.send(request, this);
  }

  cancel(): void {
    this.stream.cancel();
    this.#isOver = true;
  }

  /** Resolves when the condition holds; looks at every report. */
  async until(holds: (report: CallReport) => boolean): Promise<void> {
    while (!holds(this.report)) {
      if (this.#isOver) throw new Error("the call has ended");
      await new Promise<void>((resolve) => this.#onReport.push(resolve));
    }
  }

  onInterim(): void {
    this.#note("onInterim");
    this.report.interimCount += 1;
    if (this.report.headers) this.faults.push("onInterim after onHeaders");
  }

  onHeaders(headers: Parameters<Http2Receiver["onHeaders"]>[0], byteCount: number, isEnd: boolean) {
    this.#note("onHeaders");
    if (this.report.headers) this.faults.push("onHeaders twice");
    this.report.headers = fields(headers);
    this.report.headerBytes = byteCount;
    this.report.isEnd = isEnd;
  }

  onData(piece: Buffer): void {
    this.#note("onData");
    if (!this.report.headers || this.report.isEnd || this.report.trailers) {
      this.faults.push("onData out of place");
    }
    this.#pieces.push(piece);
    this.report.bodyBytes += piece.length;
  }

  onTrailers(trailers: Parameters<Http2Receiver["onTrailers"]>[0], byteCount: number): void {
    this.#note("onTrailers");
    if (!this.report.headers || this.report.isEnd || this.report.trailers) {
      this.faults.push("onTrailers out of place");
    }
    this.report.trailers = fields(trailers);
    this.report.trailerBytes = byteCount;
  }

  onClose(error: Error | undefined): void {
    this.#note("onClose");
    this.#isOver = true;
    this.report.body = Buffer.concat(this.#pieces);
    this.#end(error);
  }

  #note(what: string): void {
    if (!this.#stream) this.faults.push(`${what} before send has returned`);
    if (this.#isOver) this.faults.push(`${what} after the end`);
    queueMicrotask(() => {
      for (const wake of this.#onReport.splice(0)) wake();
    });
  }
}

/** `node:http2` gives `:status` as a number, which readers of blocks may not rely on. */
function fields(block: Parameters<Http2Receiver["onHeaders"]>[0]): Fields {
  return Object.fromEntries(
    Object.entries(block).map(([name, value]) => [
      name,
      Array.isArray(value) ? value : String(value),
    ]),
  );
}

/** An open connection, and the calls on it. */
export interface CallingConnection extends AsyncDisposable {
  readonly http2: Http2Connection;
  readonly connected: Promise<void>;
  readonly closed: Promise<void>;
  /** Each GOAWAY that was reported: its code, then its last id. */
  readonly goaways: readonly (readonly [code: number, lastStreamId: number])[];
  call(request?: Partial<Http2Request>): RecordedCall;
}

/** @param options - `authority` is needed */
export function openCalling(
  open: OpenHttp2,
  options: Partial<Http2Options> & Pick<Http2Options, "authority">,
): CallingConnection {
  const connected = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const calls: RecordedCall[] = [];
  const faults: string[] = [];
  const goaways: (readonly [number, number])[] = [];
  let closeCount = 0;
  let connectCount = 0;
  const http2 = open(
    { scheme: "http", tls: {}, windowBytes: 65_535, headers: {}, ...options },
    {
      onConnect: () => {
        connectCount += 1;
        connected.resolve();
      },
      onGoaway: (code, lastStreamId) => goaways.push([code, lastStreamId]),
      onClose: () => {
        closeCount += 1;
        if (calls.some(({ isOver }) => !isOver)) faults.push("onClose before a call has ended");
        closed.resolve();
      },
    },
  );
  return {
    http2,
    connected: connected.promise,
    closed: closed.promise,
    goaways,
    call: (request = {}) => {
      const call = new RecordedCall();
      call.start(http2, { path: "/a.B/C", headers: {}, body: [], ...request });
      calls.push(call);
      return call;
    },
    [Symbol.asyncDispose]: async () => {
      http2.destroy(new Error("the test has ended"));
      await closed.promise;
      // Anything that is still to be reported comes now.
      await new Promise((resolve) => setImmediate(resolve));
      if (closeCount > 1) faults.push(`onClose came ${closeCount} times`);
      if (connectCount > 1) faults.push(`onConnect came ${connectCount} times`);
      faults.push(...calls.flatMap((call) => call.faults));
      if (faults.length > 0) throw new Error(`faults of the connection: ${faults.join("; ")}`);
    },
  };
}

/** A connection to a server that a test scripts. */
export interface ScriptedConnection extends CallingConnection {
  /** The server's side of the connection. */
  readonly peer: RawPeer;
}

/** @param hello - what the server greets with; empty SETTINGS by default */
export async function openScripted(
  open: OpenHttp2,
  { hello, ...options }: Partial<Http2Options> & { readonly hello?: Buffer } = {},
): Promise<ScriptedConnection> {
  const server = await startRawHttp2Server(hello);
  const connection = openCalling(open, { authority: `127.0.0.1:${server.port}`, ...options });
  const peer = await server.nextPeer();
  return {
    ...connection,
    peer,
    [Symbol.asyncDispose]: async () => {
      try {
        await connection[Symbol.asyncDispose]();
      } finally {
        await server[Symbol.asyncDispose]();
      }
    },
  };
}
