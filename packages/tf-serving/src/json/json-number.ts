import { TooLargeError } from "@tensorgate/core";
import { JsonParseError } from "./json-fault.ts";

/** What is known of numbers beside their values, as bits. */
export const numberFlag = {
  /** It has a fraction or an exponent, is beyond 64 bits, or is not finite. */
  double: 1,
  /** Its last bits may be wrong. */
  rounded: 2,
  /** It is an integer beyond 2^53, so that its double is not all of it. */
  wide: 4,
} as const;

/** Powers of ten that a double holds exactly. */
const powersOfTen = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

const maxSafeMantissa = 2 ** 53;
/** Numbers of one text: they take eight bytes each, where two characters may be one. A power of two. */
const maxNumbers = 2 ** 23;
/** A number of so many characters, written without an exponent, needs no power of ten beyond those. */
const maxCommonLength = 22;
const maxExponent = 308;
const minInt64 = -(2n ** 63n);
const maxUint64 = 2n ** 64n - 1n;

const latin1 = new TextDecoder("latin1");

/** Reads the numbers of a text: those of JSON's grammar, and NaN, Inf and Infinity. */
export class NumberReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** All that was read, in order; there is room for more than `count`. */
  values: Float64Array = new Float64Array(64);
  count = 0;
  /** Of all numbers since they were set to 0. */
  flags = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /**
   * Reads numbers that follow each other with commas between them, from one that begins with a digit or a minus to the
   * last that does.
   *
   * @returns where the text goes on after the last one
   * @throws JsonParseError as `read` does
   */
  readRun(start: number): number {
    return this.#readNumbers(start, false);
  }

  /** Reads one number, whatever it begins with. @throws JsonParseError as `read` does */
  readOne(start: number): number {
    const byte = this.#bytes[start];
    return isDigit(byte) || byte === 0x2d ? this.#readNumbers(start, true) : this.read(start);
  }

  #readNumbers(start: number, isSingle: boolean): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const lastFour = bytes.byteLength - 4;
    let values = this.values;
    let count = this.count;
    let flags = 0;
    let at = start;
    for (;;) {
      // Most numbers are read right here; whatever is out of the ordinary, by `read`.
      const first = at;
      let byte = bytes[at] as number;
      const isNegative = byte === 0x2d;
      if (isNegative) byte = bytes[++at] as number;
      let mantissa = byte - 0x30;
      let isCommon = mantissa >= 0 && mantissa <= 9;
      byte = bytes[++at] as number;
      if (mantissa > 0) {
        while (byte >= 0x30 && byte <= 0x39) {
          mantissa = mantissa * 10 + byte - 0x30;
          byte = bytes[++at] as number;
        }
      }
      let value = mantissa;
      let decimals = 0;
      if (byte === 0x2e) {
        const firstDecimal = ++at;
        while (at <= lastFour) {
          // Four digits at a time, the first one lowest: all of them are digits if their upper halves are 3 and stay so
          // when 6 is added. (In a function of its own it is not inlined, and half as fast.)
          const four = view.getUint32(at, true);
          const isAllDigits =
            (((four & 0xf0f0f0f0) ^ 0x30303030) |
              (((four + 0x06060606) & 0xf0f0f0f0) ^ 0x30303030)) ===
            0;
          if (!isAllDigits) break;
          const pairs = (Math.imul(four & 0x0f0f0f0f, 2_561) >>> 8) & 0x00ff00ff;
          mantissa = mantissa * 10_000 + (Math.imul(pairs, 6_553_601) >>> 16);
          at += 4;
        }
        byte = bytes[at] as number;
        while (byte >= 0x30 && byte <= 0x39) {
          mantissa = mantissa * 10 + byte - 0x30;
          byte = bytes[++at] as number;
        }
        isCommon &&= at > firstDecimal && at - first <= maxCommonLength;
        decimals = at - firstDecimal;
        if (isCommon) value = mantissa / (powersOfTen[decimals] as number);
        if (isNegative) value = -value;
        flags |= mantissa >= maxSafeMantissa ? roundedDouble : numberFlag.double;
      } else {
        isCommon &&= mantissa < maxSafeMantissa;
        // The integer -0 is 0.
        if (isNegative && mantissa > 0) value = -mantissa;
      }
      if ((byte === 0x65 || byte === 0x45) && isCommon && mantissa < maxSafeMantissa) {
        const end = exponentEnd(bytes, at);
        const power = end > at ? exponentFrom(bytes, at, end) - decimals : Number.NaN;
        if (power >= -22 && power <= 22) {
          const factor = powersOfTen[Math.abs(power)] as number;
          value = power < 0 ? mantissa / factor : mantissa * factor;
          if (isNegative) value = -value;
          flags |= numberFlag.double;
          at = end;
          byte = bytes[at] as number;
        }
      }
      if (!isCommon || byte === 0x65 || byte === 0x45) {
        this.count = count;
        at = this.read(first);
        values = this.values;
        count = this.count;
        byte = bytes[at] as number;
      } else {
        if (count === values.length) values = this.#grow();
        values[count] = value;
        count += 1;
      }

      let next = at;
      if (isSingle) {
        this.count = count;
        this.flags |= flags;
        return at;
      }
      if (byte <= 0x20) next = skipBlanks(bytes, at);
      if (bytes[next] === 0x2c) {
        byte = bytes[++next] as number;
        if (byte <= 0x20) {
          next = skipBlanks(bytes, next);
          byte = bytes[next] as number;
        }
        if ((byte >= 0x30 && byte <= 0x39) || byte === 0x2d) {
          at = next;
          continue;
        }
      }
      this.count = count;
      this.flags |= flags;
      return at;
    }
  }

  /**
   * Reads one number.
   *
   * @returns where the text goes on
   * @throws JsonParseError if there is none, or it is beyond a double; TooLargeError if there are too many
   */
  read(start: number): number {
    const end = this.endOf(start);
    const text = this.textAt(start, end);
    const integer = integerFrom(text);
    const value = doubleFrom(text);
    if (!Number.isFinite(value) && /\d/.test(text))
      throw new JsonParseError("number-too-big", start);
    if (integer === undefined) this.flags |= numberFlag.double;
    else if (Math.abs(value) >= maxSafeMantissa) this.flags |= numberFlag.wide;
    this.#add(integer === 0n ? 0 : value);
    return end;
  }

  /** Where the number that begins at `start` ends. @throws JsonParseError */
  endOf(start: number): number {
    const bytes = this.#bytes;
    let at = start;
    const skipDigits = (): boolean => {
      const first = at;
      while (isDigit(bytes[at])) at += 1;
      return at > first;
    };
    if (bytes[at] === 0x2d) at += 1;
    if (!isDigit(bytes[at])) return this.#endOfWord(at);
    if (bytes[at] === 0x30) at += 1;
    else skipDigits();
    let decimals = 0;
    if (bytes[at] === 0x2e) {
      at += 1;
      const first = at;
      if (!skipDigits()) throw new JsonParseError("fraction-missing", at);
      decimals = at - first;
    }
    if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return at;
    at += 1;
    const isSmall = bytes[at] === 0x2d;
    if (isSmall || bytes[at] === 0x2b) at += 1;
    const first = at;
    if (!skipDigits()) throw new JsonParseError("exponent-missing", at);
    // Whatever stands before the exponent, be it 0.
    const isTooBig = !isSmall && Number(this.textAt(first, at)) > maxExponent + decimals;
    if (isTooBig) throw new JsonParseError("number-too-big", start);
    return at;
  }

  textAt(start: number, end: number): string {
    return latin1.decode(this.#bytes.subarray(start, end));
  }

  #endOfWord(start: number): number {
    const bytes = this.#bytes;
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

  #add(value: number): void {
    const values = this.count === this.values.length ? this.#grow() : this.values;
    values[this.count] = value;
    this.count += 1;
  }

  #grow(): Float64Array {
    if (this.values.length >= maxNumbers) {
      throw new TooLargeError(`the message has more than ${maxNumbers} numbers`, {
        hint: "send the tensors over gRPC",
      });
    }
    const larger = new Float64Array(this.values.length * 2);
    larger.set(this.values);
    this.values = larger;
    return larger;
  }
}

const roundedDouble = numberFlag.double | numberFlag.rounded;

/** Where a short exponent at `start` ends; `start` where it is long, or none. */
function exponentEnd(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  if (bytes[at] === 0x2d || bytes[at] === 0x2b) at += 1;
  const first = at;
  while (isDigit(bytes[at])) at += 1;
  return at > first && at <= first + 2 ? at : start;
}

/** Value of the exponent that `exponentEnd` found. */
function exponentFrom(bytes: Uint8Array, start: number, end: number): number {
  const isSmall = bytes[start + 1] === 0x2d;
  let power = 0;
  for (let at = start + 1; at < end; at += 1) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit >= 0) power = power * 10 + digit;
  }
  return isSmall ? -power : power;
}

const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;

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
