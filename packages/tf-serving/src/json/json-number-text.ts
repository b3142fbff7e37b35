import { JsonParseError } from "./json-fault.ts";

const minInt64 = -(2n ** 63n);
const maxUint64 = 2n ** 64n - 1n;

const latin1 = new TextDecoder("latin1");

/** Returns where the number that begins at `start` ends. @throws JsonParseError */
export function numberEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  const skipDigits = (): boolean => {
    const first = at;
    while (isDigit(bytes[at])) at += 1;
    return at > first;
  };
  if (bytes[at] === 0x2d) at += 1;
  if (!isDigit(bytes[at])) return wordEnd(bytes, at);
  if (bytes[at] === 0x30) at += 1;
  else skipDigits();
  if (bytes[at] === 0x2e) {
    at += 1;
    if (!skipDigits()) throw new JsonParseError("fraction-missing", at);
  }
  if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return at;
  at += 1;
  if (bytes[at] === 0x2d || bytes[at] === 0x2b) at += 1;
  if (!skipDigits()) throw new JsonParseError("exponent-missing", at);
  return at;
}

function wordEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  const passes = (word: string): boolean => {
    for (const letter of word) {
      if (bytes[at] !== letter.charCodeAt(0)) return false;
      at += 1;
    }
    return true;
  };
  const isNaNWord = bytes[at] === 0x4e;
  if (isNaNWord && passes("NaN")) return at;
  if (!isNaNWord && passes("Inf") && (bytes[at] !== 0x69 || passes("inity"))) return at;
  throw new JsonParseError("value-invalid", at);
}

/** Returns the text of a number, which is ASCII. */
export function numberTextAt(bytes: Uint8Array, start: number, end: number): string {
  return latin1.decode(bytes.subarray(start, end));
}

/** Where a short exponent at `start` ends; `start` where it is long, or none. */
export function exponentEnd(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  if (bytes[at] === 0x2d || bytes[at] === 0x2b) at += 1;
  const first = at;
  while (isDigit(bytes[at])) at += 1;
  return at > first && at <= first + 2 ? at : start;
}

/** Value of the exponent that `exponentEnd` found. */
export function exponentFrom(bytes: Uint8Array, start: number, end: number): number {
  const isSmall = bytes[start + 1] === 0x2d;
  let power = 0;
  for (let at = start + 1; at < end; at += 1) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit >= 0) power = power * 10 + digit;
  }
  return isSmall ? -power : power;
}

export const isDigit = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x30 && byte <= 0x39;

export function skipBlanks(bytes: Uint8Array, start: number): number {
  let at = start;
  for (let byte = bytes[at]; byte !== undefined && byte <= 0x20; byte = bytes[at]) {
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    at += 1;
  }
  return at;
}

/** The integer that the text of a number is; undefined where it is none, or has more than 64 bits. */
export function integerFrom(text: string): bigint | undefined {
  if (!/^-?\d{1,20}$/.test(text)) return undefined;
  const value = BigInt(text);
  return value >= minInt64 && value <= maxUint64 ? value : undefined;
}

/** The double nearest to the text of a number. */
export function doubleFrom(text: string): number {
  const isNegative = text.startsWith("-");
  const size = isNegative ? text.slice(1) : text;
  const value = size.startsWith("Inf") ? Number.POSITIVE_INFINITY : Number(size);
  return isNegative ? -value : value;
}
