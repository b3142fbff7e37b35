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

function hexAt(bytes: Uint8Array, start: number): number | undefined {
  let value = 0;
  for (let at = start; at < start + 4; at += 1) {
    const digit = Number.parseInt(String.fromCharCode(bytes[at] ?? 0), 16);
    if (Number.isNaN(digit)) return undefined;
    value = value * 16 + digit;
  }
  return value;
}

/**
 * Resolves the escapes of a string.
 *
 * @param raw - what stands between its quotation marks, known to be well-formed
 * @returns `raw` itself where there is nothing to resolve; a low surrogate of its own is three bytes
 */
export function unescaped(raw: Uint8Array): Uint8Array {
  let from = raw.indexOf(backslash);
  if (from === -1) return raw;
  const resolved = new Uint8Array(raw.byteLength);
  let length = 0;
  let copied = 0;
  while (from !== -1) {
    resolved.set(raw.subarray(copied, from), length);
    length += from - copied;
    const letter = raw[from + 1] ?? 0;
    if (letter === 0x75) {
      const unit = hexAt(raw, from + 2) ?? 0;
      const isPair = isHighSurrogate(unit);
      const point = isPair
        ? 0x10000 + ((unit - 0xd800) << 10) + (hexAt(raw, from + 8) ?? 0) - 0xdc00
        : unit;
      length = putPoint(resolved, length, point);
      copied = from + (isPair ? 12 : 6);
    } else {
      resolved[length] = escapes.get(letter) ?? 0;
      length += 1;
      copied = from + 2;
    }
    from = raw.indexOf(backslash, copied);
  }
  resolved.set(raw.subarray(copied), length);
  return resolved.subarray(0, length + raw.byteLength - copied);
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
