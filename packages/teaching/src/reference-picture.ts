const sidePx = 64;

/**
 * Draws the picture by whose features a backbone is recognised: a PNG of 64 × 64 pixels with colours, edges and a
 * circle. PNG loses nothing, so every decoder gives the same pixels; it must never change, or no head is accepted.
 */
export function referencePicture(): Uint8Array<ArrayBuffer> {
  const rowBytes = 1 + sidePx * 3;
  const raw = new Uint8Array(sidePx * rowBytes);
  for (let y = 0; y < sidePx; y += 1) {
    for (let x = 0; x < sidePx; x += 1) raw.set(colourAt(x, y), y * rowBytes + 1 + x * 3);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, sidePx);
  view.setUint32(4, sidePx);
  header.set([8, 2, 0, 0, 0], 8);
  return joined([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    chunk("IDAT", stored(raw)),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function colourAt(x: number, y: number): readonly [number, number, number] {
  const distance = (x - 40) ** 2 + (y - 26) ** 2;
  if (distance < 12 ** 2) return [240, 140, 20];
  if (y > 44 && (x >> 3) % 2 === 0) return [20, 90, 40];
  if (x < 16 && y > 20) return [120, 30, 140];
  return [255 - x * 3, 120 + y * 2, 250 - y];
}

/** Wraps bytes as a zlib stream of one stored block: no compressor is needed, and none can differ. */
function stored(bytes: Uint8Array): Uint8Array {
  const length = bytes.length;
  const block = Uint8Array.of(
    0x78,
    0x01,
    1,
    length & 255,
    length >> 8,
    ~length & 255,
    (~length >> 8) & 255,
  );
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return joined([block, bytes, Uint8Array.of(b >> 8, b & 255, a >> 8, a & 255)]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const named = joined([Uint8Array.from(type, (letter) => letter.charCodeAt(0)), data]);
  const framed = new Uint8Array(named.length + 8);
  const view = new DataView(framed.buffer);
  view.setUint32(0, data.length);
  framed.set(named, 4);
  view.setUint32(named.length + 4, crc32(named));
  return framed;
}

/** @see PNG specification, annex D */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
