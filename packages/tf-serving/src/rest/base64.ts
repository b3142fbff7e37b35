/** Value of each letter; 64 for blanks, 65 for padding, 255 for all others. */
const letters = new Uint8Array(256).fill(255);
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const blank = 64;
const padding = 65;
for (const [value, letter] of [...alphabet].entries()) letters[letter.charCodeAt(0)] = value;
for (const letter of " \t\n\v\f\r") letters[letter.charCodeAt(0)] = blank;
for (const letter of "=.") letters[letter.charCodeAt(0)] = padding;

/**
 * Decodes base64 as the original does: the standard alphabet, blanks anywhere, padding by `=` or `.` in full or not at
 * all.
 *
 * @returns undefined for anything else
 */
export function base64Bytes(text: Uint8Array): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.ceil(text.byteLength / 4) * 3);
  let length = 0;
  let bits = 0;
  let letterCount = 0;
  let paddingCount = 0;
  for (const byte of text) {
    const value = letters[byte] as number;
    if (value < 64) {
      if (paddingCount > 0) return undefined;
      bits = (bits << 6) | value;
      letterCount += 1;
      if ((letterCount & 3) !== 0) continue;
      bytes[length] = bits >> 16;
      bytes[length + 1] = bits >> 8;
      bytes[length + 2] = bits;
      length += 3;
      bits = 0;
    } else if (value === padding) paddingCount += 1;
    else if (value !== blank) return undefined;
  }
  const left = letterCount & 3;
  if (left === 1 || (paddingCount > 0 && (left === 0 || left + paddingCount !== 4)))
    return undefined;
  if (left >= 2) bytes[length++] = bits >> (left === 2 ? 4 : 10);
  if (left === 3) bytes[length++] = bits >> 2;
  return bytes.subarray(0, length);
}

const letterOf = Uint8Array.from(alphabet, (letter) => letter.charCodeAt(0));

/** Encodes bytes as base64, with its padding; returns the letters. */
export function base64Letters(bytes: Uint8Array): Uint8Array {
  const text = new Uint8Array(Math.ceil(bytes.byteLength / 3) * 4).fill("=".charCodeAt(0));
  for (let at = 0, end = 0; at < bytes.byteLength; at += 3, end += 4) {
    const count = Math.min(3, bytes.byteLength - at);
    const [first, second = 0, third = 0] = [bytes[at] as number, bytes[at + 1], bytes[at + 2]];
    const bits = (first << 16) | (second << 8) | third;
    for (let letter = 0; letter <= count; letter += 1) {
      text[end + letter] = letterOf[(bits >> (18 - 6 * letter)) & 63] as number;
    }
  }
  return text;
}
