import { JsonParseError } from "./json-fault.ts";

const backslash = 0x5c;

/** What a letter after a backslash stands for. */
const escapes: ReadonlyMap<number, number> = new Map(
  Object.entries({
    '"': '"',
    "\\": "\\",
    "/": "/",
    b: "\b",
    f: "\f",
    n: "\n",
    r: "\r",
    t: "\t",
  }).map(([letter, meant]) => [letter.charCodeAt(0), meant.charCodeAt(0)]),
);

/**
 * @param start - where the opening quotation mark is
 * @returns where the text goes on after the closing one
 * @throws JsonParseError
 */
export function stringEnd(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  for (;;) {
    const byte = bytes[at] ?? 0;
    if (byte === 0x22) return at + 1;
    if (byte === backslash) at = escapeEnd(bytes, at);
    else if (byte >= 0x20) at += 1;
    else throw new JsonParseError(byte === 0 ? "quote-missing" : "escape-invalid", at);
  }
}

/** @returns where the text goes on after the escape at `start` */
function escapeEnd(bytes: Uint8Array, start: number): number {
  const letter = bytes[start + 1] ?? 0;
  if (letter !== 0x75) {
    if (!escapes.has(letter)) throw new JsonParseError("escape-invalid", start);
    return start + 2;
  }
  const unit = hexAt(bytes, start + 2);
  if (unit === undefined) throw new JsonParseError("hex-invalid", start);
  if (!isHighSurrogate(unit)) return start + 6;
  if (bytes[start + 6] !== backslash || bytes[start + 7] !== 0x75) {
    throw new JsonParseError("surrogate-invalid", start);
  }
  const second = hexAt(bytes, start + 8);
  if (second === undefined) throw new JsonParseError("hex-invalid", start);
  if (second < 0xdc00 || second > 0xdfff) throw new JsonParseError("surrogate-invalid", start);
  return start + 12;
}

const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;

/** Value of each hexadecimal digit; 255 for all other characters. */
const hexDigits = new Uint8Array(256).fill(255);
for (const [value, digit] of [..."0123456789abcdef"].entries()) {
  hexDigits[digit.charCodeAt(0)] = value;
  hexDigits[digit.toUpperCase().charCodeAt(0)] = value;
}

function hexAt(bytes: Uint8Array, start: number): number | undefined {
  let value = 0;
  for (let at = start; at < start + 4; at += 1) {
    const digit = hexDigits[bytes[at] ?? 0] as number;
    if (digit === 255) return undefined;
    value = value * 16 + digit;
  }
  return value;
}

/**
 * Resolves the escapes of a string.
 *
 * @param raw - what stands between its quotation marks, known to be well-formed
 * @returns `raw` itself where there is nothing to resolve; a low surrogate alone is three bytes
 */
export function unescaped(raw: Uint8Array): Uint8Array {
  if (!raw.includes(backslash)) return raw;
  const resolved = new Uint8Array(raw.byteLength);
  let length = 0;
  for (let at = 0; at < raw.byteLength; ) {
    const byte = raw[at] as number;
    if (byte !== backslash) {
      resolved[length] = byte;
      length += 1;
      at += 1;
      continue;
    }
    const letter = raw[at + 1] ?? 0;
    if (letter !== 0x75) {
      resolved[length] = escapes.get(letter) ?? 0;
      length += 1;
      at += 2;
      continue;
    }
    const unit = hexAt(raw, at + 2) ?? 0;
    const isPair = isHighSurrogate(unit);
    const low = isPair ? (hexAt(raw, at + 8) ?? 0) - 0xdc00 : 0;
    length = putPoint(resolved, length, isPair ? 0x10000 + ((unit - 0xd800) << 10) + low : unit);
    at += isPair ? 12 : 6;
  }
  return resolved.subarray(0, length);
}

/** Writes a code point as UTF-8. @returns where the next one goes */
function putPoint(into: Uint8Array, at: number, point: number): number {
  if (point < 0x80) {
    into[at] = point;
    return at + 1;
  }
  const rest = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  into[at] = ((0xf0 << (3 - rest)) & 0xff) | (point >> (6 * rest));
  for (let left = rest - 1; left >= 0; left -= 1) {
    into[at + rest - left] = 0x80 | ((point >> (6 * left)) & 0x3f);
  }
  return at + rest + 1;
}
