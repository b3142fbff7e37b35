/** Text that is not a message in protocol buffers' text format, and where. */
export class TextFormatError extends Error {
  override readonly name = "TextFormatError";
}

/** One word of a text: a name, a number, a string or a sign. */
export interface TextToken {
  readonly kind: "name" | "number" | "string" | "sign" | "end";
  /** As it is written; of a string its bytes as Latin-1 text, without quotes and escapes. */
  readonly text: string;
  readonly offset: number;
}

const blank = /(?:\s|#[^\n]*)*/y;
const patterns = [
  ["name", /[A-Za-z_][A-Za-z0-9_]*/y],
  ["number", /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?)/y],
  ["string", /"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/y],
  ["sign", /[{}<>[\]:,;-]/y],
] as const;

/**
 * Splits a text into its words; the last one is the end.
 *
 * @throws TextFormatError
 */
export function textTokens(text: string): readonly TextToken[] {
  const tokens: TextToken[] = [];
  let offset = 0;
  for (;;) {
    offset = matchAt(blank, text, offset)?.end ?? offset;
    if (offset === text.length) break;
    const token = tokenAt(text, offset);
    tokens.push(token.token);
    offset = token.end;
  }
  return [...tokens, { kind: "end", text: "the end of the text", offset }];
}

function tokenAt(text: string, offset: number): { token: TextToken; end: number } {
  for (const [kind, pattern] of patterns) {
    const found = matchAt(pattern, text, offset);
    if (!found) continue;
    const word = kind === "string" ? unescaped(found.text.slice(1, -1)) : found.text;
    return { token: { kind, text: word, offset }, end: found.end };
  }
  throw textFormatError(text, offset, `unexpected ${JSON.stringify(text[offset])}`);
}

function matchAt(pattern: RegExp, text: string, offset: number) {
  pattern.lastIndex = offset;
  const found = pattern.exec(text);
  return found ? { text: found[0], end: pattern.lastIndex } : undefined;
}

/** An error with its place, counted as editors do. */
export function textFormatError(text: string, offset: number, what: string): TextFormatError {
  const before = text.slice(0, offset).split("\n");
  const column = (before.at(-1)?.length ?? 0) + 1;
  return new TextFormatError(`line ${before.length}, column ${column}: ${what}`);
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
};

/** The bytes of a string's text, each as one character. */
function unescaped(text: string): string {
  const bytes = latin1(new TextEncoder().encode(text));
  return bytes.replace(
    /\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|([\s\S]))/g,
    (_, hex, octal, letter) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      return escapes[letter] ?? letter;
    },
  );
}

/** Each byte as one character. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
