import { ack, endStream, type Frame, frameType, setting } from "./http2-frames.ts";

/** A stream as a server sees it. */
interface PeerStream {
  /** What the client may still send, in bytes; negative if the server has shrunk it. */
  window: number;
  /** What the server may still send, in bytes. */
  replyWindow: number;
  hasClientEnded: boolean;
  /** Whether the server has ended or reset it. */
  hasServerEnded: boolean;
  wasReset: boolean;
  wasResetByServer: boolean;
}

const defaultWindowBytes = 65_535;
const maxWindowBytes = 2 ** 31 - 1;

/** Watches both sides of a connection for what RFC 9113 does not allow a client. */
export class Http2ClientRules {
  readonly faults: string[] = [];
  /** Whether nothing is checked any more, since the server itself breaks the rules. */
  isOff = false;
  /** Streams that the client has opened, by id. */
  readonly streams = new Map<number, PeerStream>();
  #frameCount = 0;
  #lastId = 0;
  #maxFrameBytes = 16_384;
  #maxConcurrent = Number.POSITIVE_INFINITY;
  #initialWindow = defaultWindowBytes;
  #connectionWindow = defaultWindowBytes;
  /** What each SETTINGS of the server makes of them once the client has acknowledged it. */
  readonly #unacknowledged: (() => void)[] = [];
  #replyInitialWindow = defaultWindowBytes;
  #replyConnectionWindow = defaultWindowBytes;

  /** Bytes of a reply that the client takes before it grants more. */
  replyWindow(id: number): number {
    return Math.min(this.#replyConnectionWindow, this.streams.get(id)?.replyWindow ?? 0);
  }

  /** Bytes of all replies that the client takes before it grants more. */
  get replyConnectionWindow(): number {
    return this.#replyConnectionWindow;
  }

  onReceived(received: Frame): void {
    if (this.isOff) return;
    const { type, id, payload } = received;
    this.#frameCount += 1;
    if (this.#frameCount === 1 && type !== frameType.SETTINGS) {
      this.faults.push("the first frame is not SETTINGS");
    }
    if (payload.length > this.#maxFrameBytes) this.#fault(id, `a frame of ${payload.length} bytes`);
    if (type === frameType.SETTINGS) this.#checkSettings(received);
    else if (type === frameType.HEADERS) this.#checkHeaders(received);
    else if (type === frameType.WINDOW_UPDATE) this.#checkWindowUpdate(received);
    else if (type === frameType.DATA) this.#checkData(received);
    else if (type === frameType.RST_STREAM) this.#checkReset(received);
  }

  onSent({ type, id, flags, payload }: Frame): void {
    const stream = this.streams.get(id);
    if (type === frameType.SETTINGS && !(flags & ack)) this.#noteSettings(payload);
    if (type === frameType.WINDOW_UPDATE && payload.length === 4) {
      if (id === 0) this.#connectionWindow += payload.readUInt32BE(0);
      else if (stream) stream.window += payload.readUInt32BE(0);
    }
    if (!stream) return;
    if (type === frameType.DATA) {
      stream.replyWindow -= payload.length;
      this.#replyConnectionWindow -= payload.length;
    }
    const isEnd = (type === frameType.DATA || type === frameType.HEADERS) && flags & endStream;
    if (isEnd) stream.hasServerEnded = true;
    if (type === frameType.RST_STREAM) stream.wasResetByServer = true;
  }

  #fault(id: number, text: string): void {
    this.faults.push(`stream ${id}: ${text}`);
  }

  #checkSettings({ id, flags, payload }: Frame): void {
    if (id !== 0) this.#fault(id, "SETTINGS");
    if (flags & ack) {
      const apply = this.#unacknowledged.shift();
      if (apply) apply();
      else this.faults.push("SETTINGS were acknowledged that were not sent");
      return;
    }
    for (const [key, value] of settingsOf(payload)) {
      if (key === setting.INITIAL_WINDOW_SIZE) this.#replyInitialWindow = value;
      if (key === setting.ENABLE_PUSH && value !== 0) this.faults.push("push is not disabled");
    }
  }

  #checkHeaders({ id, flags }: Frame): void {
    if (id % 2 === 0 || id <= this.#lastId) this.#fault(id, `opened after ${this.#lastId}`);
    this.#lastId = id;
    this.streams.set(id, {
      window: this.#initialWindow,
      replyWindow: this.#replyInitialWindow,
      hasClientEnded: (flags & endStream) !== 0,
      hasServerEnded: false,
      wasReset: false,
      wasResetByServer: false,
    });
    const open = [...this.streams.values()].filter(
      ({ hasClientEnded, hasServerEnded, wasReset, wasResetByServer }) =>
        !(wasReset || wasResetByServer || (hasClientEnded && hasServerEnded)),
    );
    if (open.length > this.#maxConcurrent) this.#fault(id, `one of ${open.length} at a time`);
  }

  #checkData({ id, flags, payload }: Frame): void {
    const stream = this.streams.get(id);
    if (!stream) {
      this.#fault(id, "DATA before HEADERS");
      return;
    }
    if (stream.wasReset) this.#fault(id, "DATA after RST_STREAM");
    if (stream.hasClientEnded) this.#fault(id, "DATA after its end");
    stream.window -= payload.length;
    this.#connectionWindow -= payload.length;
    if (payload.length > 0 && stream.window < 0) this.#fault(id, "DATA over its window");
    if (this.#connectionWindow < 0) this.#fault(id, "DATA over the window of the connection");
    if (flags & endStream) stream.hasClientEnded = true;
  }

  #checkReset({ id, payload }: Frame): void {
    const stream = this.streams.get(id);
    if (!stream) {
      this.#fault(id, "RST_STREAM before HEADERS");
      return;
    }
    if (stream.wasReset) this.#fault(id, "RST_STREAM twice");
    if (payload.length !== 4) this.#fault(id, "RST_STREAM of a wrong length");
    stream.wasReset = true;
  }

  #checkWindowUpdate({ id, payload }: Frame): void {
    const byteCount = payload.readUInt32BE(0);
    if (byteCount === 0) this.#fault(id, "WINDOW_UPDATE of 0");
    if (id === 0) this.#replyConnectionWindow += byteCount;
    if (this.#replyConnectionWindow > maxWindowBytes) this.#fault(0, "a window above the limit");
    if (id === 0) return;
    const stream = this.streams.get(id);
    if (!stream) {
      this.#fault(id, "WINDOW_UPDATE before HEADERS");
      return;
    }
    if (stream.wasReset) this.#fault(id, "WINDOW_UPDATE after RST_STREAM");
    stream.replyWindow += byteCount;
  }

  /** What grants more holds for the client as soon as it is sent, what grants less once it is acknowledged. */
  #noteSettings(payload: Buffer): void {
    const later: (() => void)[] = [];
    for (const [key, value] of settingsOf(payload)) {
      if (key === setting.INITIAL_WINDOW_SIZE) {
        const change = value - this.#initialWindow;
        const apply = () => {
          this.#initialWindow = value;
          for (const stream of this.streams.values()) stream.window += change;
        };
        if (change >= 0) apply();
        else later.push(apply);
      } else if (key === setting.MAX_FRAME_SIZE) this.#maxFrameBytes = value;
      else if (key === setting.MAX_CONCURRENT_STREAMS) {
        later.push(() => {
          this.#maxConcurrent = value;
        });
      }
    }
    this.#unacknowledged.push(() => {
      for (const apply of later) apply();
    });
  }
}

function* settingsOf(payload: Buffer): Generator<readonly [key: number, value: number]> {
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    yield [payload.readUInt16BE(at), payload.readUInt32BE(at + 2)];
  }
}
