import net from "node:net";
import { Http2ClientRules } from "./http2-client-rules.ts";
import {
  data,
  type Frame,
  type FrameName,
  frameType,
  readFrames,
  settings,
} from "./http2-frames.ts";

/** An HTTP/2 server that a test scripts frame by frame. It finds fault with every client that breaks the rules. */
export interface RawHttp2Server extends AsyncDisposable {
  readonly port: number;
  /** Resolves to the next connection. */
  nextPeer(): Promise<RawPeer>;
  /** How many connections were accepted. */
  peerCount(): number;
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** @param hello - what every connection is greeted with; empty SETTINGS by default */
export async function startRawHttp2Server(
  hello: Buffer | undefined = settings(),
): Promise<RawHttp2Server> {
  const peers: RawPeer[] = [];
  const waiting: ((peer: RawPeer) => void)[] = [];
  let taken = 0;
  const server = net.createServer({ noDelay: true }, (socket) => {
    const peer = new RawPeer(socket);
    if (hello.length > 0) peer.send(hello);
    peers.push(peer);
    waiting.shift()?.(peer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    nextPeer: () => {
      const peer = peers[taken];
      taken += 1;
      if (peer) return Promise.resolve(peer);
      return new Promise((resolve) => waiting.push(resolve));
    },
    peerCount: () => peers.length,
    [Symbol.asyncDispose]: async () => {
      for (const peer of peers) peer.socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      const faults = peers.flatMap(({ rules }) => rules.faults);
      if (faults.length > 0) throw new Error(`faults of the client: ${faults.join("; ")}`);
    },
  };
}

interface Waiter {
  readonly type: number;
  readonly id: number | undefined;
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
}

/** The server's side of one connection. */
export class RawPeer {
  readonly socket: net.Socket;
  /** Everything received, in order. */
  readonly frames: Frame[] = [];
  readonly rules = new Http2ClientRules();
  readonly closed: Promise<void>;
  readonly #taken = new Set<Frame>();
  #waiters: Waiter[] = [];
  #onReceived: (() => void)[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #hasPreface = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        for (const { reject } of this.#waiters) reject(clientHasClosed());
        this.#waiters = [];
        this.#wake();
        resolve();
      });
    });
  }

  /** Resolves to the next frame of this type, and stream, that was not returned before. */
  next(name: FrameName, id?: number): Promise<Frame> {
    const type = frameType[name];
    const found = this.frames.find((each) => !this.#taken.has(each) && matches(each, type, id));
    if (found) {
      this.#taken.add(found);
      return Promise.resolve(found);
    }
    if (this.socket.destroyed) return Promise.reject(clientHasClosed());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ type, id, resolve, reject });
    });
  }

  /** Resolves to the body of a request, when it has ended. */
  async requestBody(id: number): Promise<Buffer> {
    await this.until(() => this.rules.streams.get(id)?.hasClientEnded === true);
    return this.bodySoFar(id);
  }

  bodySoFar(id: number): Buffer {
    return Buffer.concat(this.received("DATA", id).map(({ payload }) => payload));
  }

  /** Frames of this type that were received, of one stream or of all. */
  received(name: FrameName, id?: number): readonly Frame[] {
    return this.frames.filter((each) => matches(each, frameType[name], id));
  }

  /** Resolves when the condition holds; looks whenever something was received. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.socket.destroyed) throw clientHasClosed();
      await new Promise<void>((resolve) => this.#onReceived.push(resolve));
    }
  }

  /** Sends whole frames, and counts what they grant the client. */
  send(...frames: readonly Buffer[]): void {
    for (const bytes of frames) {
      for (const each of readFrames(bytes).frames) this.rules.onSent(each);
    }
    this.write(Buffer.concat(frames));
  }

  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** Sends a body within the windows of the client. */
  async sendBody(id: number, body: Uint8Array, maxPieceBytes = 16_384): Promise<void> {
    for (let at = 0; at < body.length; ) {
      await this.until(() => this.rules.replyWindow(id) > 0);
      const piece = body.subarray(at, at + Math.min(this.rules.replyWindow(id), maxPieceBytes));
      at += piece.length;
      this.send(data(id, piece));
    }
  }

  #receive(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    if (!this.#hasPreface) {
      if (this.#rest.length < preface.length) return;
      if (!this.#rest.subarray(0, preface.length).equals(preface)) {
        this.rules.faults.push("the connection does not begin with the preface");
      }
      this.#rest = this.#rest.subarray(preface.length);
      this.#hasPreface = true;
    }
    const { frames, rest } = readFrames(this.#rest);
    this.#rest = rest;
    for (const each of frames) {
      this.frames.push(each);
      this.rules.onReceived(each);
      const at = this.#waiters.findIndex(({ type, id }) => matches(each, type, id));
      const [waiter] = at < 0 ? [] : this.#waiters.splice(at, 1);
      if (!waiter) continue;
      this.#taken.add(each);
      waiter.resolve(each);
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#onReceived.splice(0)) wake();
  }
}

const clientHasClosed = () => new Error("the client has closed the connection");

function matches(received: Frame, type: number, id: number | undefined): boolean {
  return received.type === type && (id === undefined || received.id === id);
}
