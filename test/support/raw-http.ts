import { once } from "node:events";
import net from "node:net";

/** Sends `pieces` as they are and resolves to everything that comes back until the other side closes. */
export async function talkRaw(
  port: number,
  pieces: Iterable<string | Buffer>,
  localAddress = "127.0.0.1",
): Promise<string> {
  const socket = net.connect({ port, host: "127.0.0.1", localAddress });
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await once(socket, "connect");
  for (const piece of pieces) {
    if (socket.destroyed) break;
    if (!socket.write(piece)) await Promise.race([once(socket, "drain").catch(() => {}), closed]);
  }
  await closed;
  return received;
}

const frameTypes = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** @see RFC 9113, section 4.1 */
export function http2Frame(
  type: keyof typeof frameTypes,
  streamId: number,
  payload: Uint8Array,
  flags = 0,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head.writeUInt8(frameTypes[type], 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** What every HTTP/2 connection begins with: the preface, and settings of which none differs. */
export const http2Opening: Buffer = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1"),
  http2Frame("settings", 0, new Uint8Array()),
]);

/** A field that HPACK's decoder adds to its table, from where one byte repeats it. RFC 7541, section 6.2.1. */
export function indexedField(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0x40), hpackText(name), hpackText(value)]);
}

/** A text without Huffman's code; its length in a prefix of seven bits. RFC 7541, section 5. */
function hpackText(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length: number[] = [127];
  let left = bytes.length - 127;
  for (; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) + 128);
  return Buffer.concat([Buffer.from([...length, left]), bytes]);
}
