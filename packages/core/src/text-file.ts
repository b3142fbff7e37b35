/**
 * Decodes a text file: UTF-8, with or without a byte order mark.
 *
 * @throws RangeError that says which encoding it has, or which line is not UTF-8
 */
export function textFromUtf8(bytes: Uint8Array): string {
  // Text has no NUL, and of UTF-16 every second byte is one where a character is ASCII.
  const isUtf16 = hasUtf16Mark(bytes) || bytes.includes(0);
  if (isUtf16) throw new RangeError("it is UTF-16 or binary; save it as UTF-8");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new RangeError(`line ${firstLineThatIsNotUtf8(bytes)} is not UTF-8; save it as UTF-8`);
  }
}

function hasUtf16Mark([first, second]: Uint8Array): boolean {
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
}

function firstLineThatIsNotUtf8(bytes: Uint8Array): number {
  const text = new TextDecoder("utf-8").decode(bytes);
  const before = text.slice(0, text.indexOf("\ufffd"));
  return before.split("\n").length;
}

/** The labels of a file with one in each line, without the blanks around them; lines at the end that are empty are none. */
export function labelsFromText(text: string): readonly string[] {
  return text
    .trimEnd()
    .split(/\r\n|\n|\r/)
    .map((line) => line.trim());
}
