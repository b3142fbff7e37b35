/** Types of frames. @see RFC 9113, section 6; RFC 7838 for ALTSVC, RFC 8336 for ORIGIN */
export const frameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
  ALTSVC: 10,
  ORIGIN: 12,
} as const;

export type FrameName = keyof typeof frameType;

export const endStream = 0x1;
export const ack = 0x1;
export const endHeaders = 0x4;
export const padded = 0x8;
export const withPriority = 0x20;

export const setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** Length of what stands before the payload of a frame, in bytes. */
export const frameHeadBytes = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

const nothing = Buffer.alloc(0);

/** Writes any frame, also one that no standard allows. */
export function frame(
  type: FrameName | number,
  id: number,
  { flags = 0, payload = nothing }: { readonly flags?: number; readonly payload?: Uint8Array } = {},
): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = typeof type === "number" ? type : frameType[type];
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

export const data = (id: number, payload: Uint8Array, flags = 0): Buffer =>
  frame("DATA", id, { flags, payload });

export const headers = (id: number, block: Uint8Array, flags: number = endHeaders): Buffer =>
  frame("HEADERS", id, { flags, payload: block });

export const continuation = (id: number, block: Uint8Array, flags: number = endHeaders): Buffer =>
  frame("CONTINUATION", id, { flags, payload: block });

export const settings = (pairs: Partial<Record<keyof typeof setting, number>> = {}): Buffer =>
  frame("SETTINGS", 0, {
    payload: Buffer.concat(
      Object.entries(pairs).map(([name, value]) => {
        const pair = Buffer.alloc(6);
        pair.writeUInt16BE(setting[name as keyof typeof setting], 0);
        pair.writeUInt32BE(value, 2);
        return pair;
      }),
    ),
  });

export const reset = (id: number, code: number): Buffer =>
  frame("RST_STREAM", id, { payload: word(code) });

export const ping = (payload: Uint8Array, flags = 0): Buffer =>
  frame("PING", 0, { flags, payload });

export const goaway = (lastStreamId: number, code: number, debug = ""): Buffer =>
  frame("GOAWAY", 0, {
    payload: Buffer.concat([word(lastStreamId), word(code), Buffer.from(debug)]),
  });

export const windowUpdate = (id: number, byteCount: number): Buffer =>
  frame("WINDOW_UPDATE", id, { payload: word(byteCount) });

/** Four bytes, the highest first. */
export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Takes the whole frames off the front of `bytes`. */
export function readFrames(bytes: Buffer): { readonly frames: readonly Frame[]; rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= frameHeadBytes) {
    const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      id: bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
      payload: bytes.subarray(at + frameHeadBytes, end),
    });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** An integer whose first byte begins with `pattern` and leaves `prefixBits` for it. @see RFC 7541, section 5.1 */
export function hpackInteger(value: number, prefixBits: number, pattern = 0): Buffer {
  const limit = 2 ** prefixBits - 1;
  if (value < limit) return Buffer.of(pattern | value);
  const bytes = [pattern | limit];
  let left = value - limit;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return Buffer.from([...bytes, left]);
}

/** A string as it is, or one that Huffman's code has been applied to already. @see RFC 7541, section 5.2 */
export function hpackString(text: string | { readonly huffman: string }): Buffer {
  const isPlain = typeof text === "string";
  const bytes = isPlain ? Buffer.from(text, "latin1") : Buffer.from(text.huffman, "hex");
  return Buffer.concat([hpackInteger(bytes.length, 7, isPlain ? 0 : 0x80), bytes]);
}

const literalForm = {
  /** Goes into the table. */
  indexed: { prefixBits: 6, pattern: 0x40 },
  plain: { prefixBits: 4, pattern: 0 },
  neverIndexed: { prefixBits: 4, pattern: 0x10 },
} as const;

/** A field with its value, by a name or the index of one. @see RFC 7541, section 6.2 */
export function literal(
  name: string | number | { readonly huffman: string },
  value: string | { readonly huffman: string },
  form: keyof typeof literalForm = "plain",
): Buffer {
  const { prefixBits, pattern } = literalForm[form];
  const index = typeof name === "number" ? name : 0;
  return Buffer.concat([
    hpackInteger(index, prefixBits, pattern),
    typeof name === "number" ? nothing : hpackString(name),
    hpackString(value),
  ]);
}

/** A field of the table. @see RFC 7541, section 6.1 */
export const indexed = (index: number): Buffer => hpackInteger(index, 7, 0x80);

/** @see RFC 7541, section 6.3 */
export const tableSize = (byteCount: number): Buffer => hpackInteger(byteCount, 5, 0x20);

/** `:status: 200` of the static table. */
export const status200: Buffer = indexed(8);

/** A block of fields, none of which enters the table. */
export const block = (fields: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(Object.entries(fields).map(([name, value]) => literal(name, value)));

/** The trailers of a call that went well. */
export const grpcOk: Buffer = block({ "grpc-status": "0" });
