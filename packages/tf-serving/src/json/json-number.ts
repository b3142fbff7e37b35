import { bitsBefore, joinedDigits, otherBytes } from "./json-digits.ts";
import { JsonParseError } from "./json-fault.ts";
import {
  doubleFrom,
  exponentEnd,
  exponentFrom,
  integerFrom,
  isDigit,
  numberEnd,
  numberTextAt,
  skipBlanks,
} from "./json-number-text.ts";
import { firstRoom, largerRoom } from "./number-room.ts";
import { mayBeTooBig, originalDouble } from "./original-double.ts";

/** What is known of numbers beside their values, as bits. */
export const numberFlag = {
  /** It has a fraction or an exponent, is beyond 64 bits, or is not finite. */
  double: 1,
  /** It is an integer beyond 2^53, so that its double is not all of it. */
  wide: 2,
} as const;

/** Powers of ten that a double holds exactly. */
const powersOfTen = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);
const maxSafeMantissa = 2 ** 53;
/** Decimals that are read together: a number with fewer has zeros for the others. */
const readDecimals = 8;
const decimalScale = 1e8;
/** Beyond it, that many decimals are not held by a double as well. */
const maxWhole = 9e7;
/** Up to it, four further decimals leave an integer that a double holds. */
const maxScaled = 9e11;
/** Splits a double into halves of 26 bits, whose products are exact. @see Dekker 1971 */
const splitter = 2 ** 27 + 1;
/** Twice the error of what is added to a quotient. */
const margin = 2 ** -50 / decimalScale;

/** Size of an axis of which no array has ended yet. */
const open = -1;

/** Reads the numbers of a text: those of JSON's grammar, and NaN, Inf and Infinity. */
export class NumberReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** All that was read, in order; there is room for more than `count`. */
  values: Float64Array;
  count = 0;
  /** Of all numbers since they were set to 0. */
  flags = 0;
  /** Of the array that `readRegular` has read: its axes, and how many numbers an array of each axis has, outermost first. */
  rank = 0;
  readonly sizes: number[] = [];
  /** Index of the first number of each open array. */
  readonly #starts: number[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.values = firstRoom(bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /**
   * Reads a number, or a regular array of numbers of any rank: one that is no array of arrays of different shapes, and
   * has no empty array in it.
   *
   * It is one loop over the text, since most bodies are little else: what V8 does not inline costs as much as a number.
   *
   * @returns where the text goes on; `-at` where something else stands at `at`, and then nothing was read
   * @throws JsonParseError as `read` does
   */
  readRegular(start: number, maxRank: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const lastFour = bytes.byteLength - 4;
    const sizes = this.sizes;
    const starts = this.#starts;
    const firstIndex = this.count;
    let values = this.values;
    // V8 checks the buffer whenever a length is read.
    let capacity = values.length;
    let count = firstIndex;
    let flags = 0;
    let depth = 0;
    let rank = open;
    let at = start;
    for (;;) {
      // A value begins here.
      let byte = bytes[at] as number;
      // Python writes a blank after each comma.
      if (byte === 0x20) byte = bytes[++at] as number;
      if (byte <= 0x20) {
        at = skipBlanks(bytes, at);
        byte = bytes[at] as number;
      }
      if (byte === 0x5b) {
        if (depth === (rank === open ? maxRank : rank)) break;
        if (rank === open) sizes[depth] = open;
        starts[depth] = count;
        depth += 1;
        at += 1;
        continue;
      }
      if (depth !== rank) {
        if (rank !== open) break;
        rank = depth;
      }

      // Most numbers are read right here; whatever is out of the ordinary, by `read`. There are no branches that depend
      // on the digits, on the sign or on how many digits there are, up to four: those cost more than the arithmetic.
      const first = at;
      const isNegative = (byte - 0x2e) >>> 31;
      at += isNegative;
      const sign = 1 - (isNegative << 1);
      let value = 0;
      let isCommon = byte >= 0x2d && at <= lastFour;
      if (isCommon) {
        let four = view.getInt32(at, true);
        let others = otherBytes(four);
        let bits = bitsBefore(others);
        let mantissa = joinedDigits((four << 8) << (24 - bits));
        if (others === 0) {
          mantissa = 0;
          for (byte = bytes[at] as number; isDigit(byte); byte = bytes[at] as number) {
            mantissa = mantissa * 10 + byte - 0x30;
            at += 1;
          }
          isCommon = (four & 0xff) !== 0x30 && mantissa < maxSafeMantissa;
        } else {
          isCommon = bits === 8 || (bits !== 0 && (four & 0xff) !== 0x30);
          at += bits >>> 3;
          byte = bytes[at] as number;
        }
        let decimals = 0;
        if (byte !== 0x2e) {
          // The integer -0 is 0.
          value = mantissa * sign + 0;
        } else if (mantissa > maxWhole || at + 9 > lastFour) {
          isCommon = false;
        } else {
          at += 1;
          decimals = readDecimals;
          four = view.getInt32(at, true);
          others = otherBytes(four);
          bits = bitsBefore(others);
          if (others !== 0) {
            isCommon &&= bits !== 0;
            at += bits >>> 3;
            const upper = joinedDigits(four & ((1 << bits) - 1));
            mantissa = mantissa * decimalScale + Math.imul(upper, 10_000);
            value = mantissa / decimalScale;
          } else {
            const upper = joinedDigits(four);
            four = view.getInt32(at + 4, true);
            others = otherBytes(four);
            bits = bitsBefore(others);
            const lower = joinedDigits(others === 0 ? four : four & ((1 << bits) - 1));
            mantissa = mantissa * decimalScale + Math.imul(upper, 10_000) + lower;
            at += others === 0 ? 8 : 4 + (bits >>> 3);
            if (others !== 0) {
              value = mantissa / decimalScale;
            } else {
              four = view.getInt32(at, true);
              others = otherBytes(four);
              bits = bitsBefore(others);
              if (others !== 0 && mantissa < maxScaled) {
                // Up to twelve decimals of a small number are an integer that a double holds.
                mantissa = mantissa * 1e4 + joinedDigits(four & ((1 << bits) - 1));
                value = mantissa / 1e12;
                decimals = 12;
                at += bits >>> 3;
              } else {
                value = mantissa / decimalScale;
                let rest = 0;
                let restScale = 1;
                do {
                  four = view.getInt32(at, true);
                  others = otherBytes(four);
                  bits = bitsBefore(others);
                  rest = rest * 1e4 + joinedDigits(others === 0 ? four : four & ((1 << bits) - 1));
                  restScale *= 1e4;
                  at += others === 0 ? 4 : bits >>> 3;
                } while (others === 0 && at <= lastFour);
                // The remainder of the division is exact, and what is added to the quotient nearly so: the sum is right
                // unless it is as good as halfway between two doubles.
                const product = value * decimalScale;
                const high = splitter * value - (splitter * value - value);
                const lost = high * decimalScale - product + (value - high) * decimalScale;
                const added = (mantissa - product - lost + rest / restScale) / decimalScale;
                isCommon &&= others !== 0 && value + (added - margin) === value + (added + margin);
                value += added;
                mantissa = maxSafeMantissa;
              }
            }
          }
          value *= sign;
          flags |= numberFlag.double;
          byte = bytes[at] as number;
        }
        if (byte === 0x65 || byte === 0x45) {
          const end = exponentEnd(bytes, at);
          const power = end > at ? exponentFrom(bytes, at, end) - decimals : Number.NaN;
          isCommon &&= mantissa < maxSafeMantissa && power >= -22 && power <= 22;
          if (isCommon) {
            const factor = powersOfTen[Math.abs(power)] as number;
            value = (power < 0 ? mantissa / factor : mantissa * factor) * sign;
            flags |= numberFlag.double;
            at = end;
          }
        }
      }
      if (isCommon) {
        if (count === capacity) {
          values = this.#grow(at);
          capacity = values.length;
        }
        values[count] = value;
        count += 1;
      } else {
        byte = bytes[first] as number;
        const isNumber = isDigit(byte) || byte === 0x2d || byte === 0x4e || byte === 0x49;
        at = first;
        if (!isNumber) break;
        this.count = count;
        at = this.read(first);
        values = this.values;
        capacity = values.length;
        count = this.count;
      }

      // Arrays may end here; then a comma comes, or the end.
      byte = bytes[at] as number;
      if (byte <= 0x20) {
        at = skipBlanks(bytes, at);
        byte = bytes[at] as number;
      }
      while (byte === 0x5d && depth > 0) {
        const size = count - (starts[depth - 1] as number);
        if (sizes[depth - 1] === open) sizes[depth - 1] = size;
        else if (sizes[depth - 1] !== size) break;
        depth -= 1;
        at += 1;
        byte = bytes[at] as number;
        if (byte <= 0x20) {
          at = skipBlanks(bytes, at);
          byte = bytes[at] as number;
        }
      }
      if (depth === 0) {
        this.count = count;
        this.flags |= flags;
        this.rank = rank;
        return at;
      }
      if (byte !== 0x2c) break;
      at += 1;
    }
    this.count = firstIndex;
    return -at;
  }

  /**
   * Reads one number.
   *
   * @returns where the text goes on
   * @throws JsonParseError if there is none, or it is beyond a double; TooLargeError if there are too many
   */
  read(start: number): number {
    const end = numberEnd(this.#bytes, start);
    const text = numberTextAt(this.#bytes, start, end);
    const integer = integerFrom(text);
    const value = doubleFrom(text);
    if (mayBeTooBig(text) && originalDouble(text) === undefined)
      throw new JsonParseError("number-too-big", start);
    if (integer === undefined) this.flags |= numberFlag.double;
    else if (Math.abs(value) >= maxSafeMantissa) this.flags |= numberFlag.wide;
    this.#add(integer === 0n ? 0 : value, end);
    return end;
  }

  #add(value: number, at: number): void {
    const values = this.count === this.values.length ? this.#grow(at) : this.values;
    values[this.count] = value;
    this.count += 1;
  }

  /** @param at - how far the text is read */
  #grow(at: number): Float64Array {
    this.values = largerRoom(this.values, at / this.#bytes.byteLength);
    return this.values;
  }
}
