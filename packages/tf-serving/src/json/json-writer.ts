/** Short forms of characters in strings; other control characters are written by their number. */
const shortEscapes = {
  '"': '"',
  "\\": "\\",
  "\b": "b",
  "\f": "f",
  "\n": "n",
  "\r": "r",
  "\t": "t",
};

/** What stands for each byte that cannot stand for itself. */
const escapes: readonly (string | undefined)[] = Array.from({ length: 0x100 }, (_, byte) => {
  const short = Object.entries(shortEscapes).find(([text]) => text.charCodeAt(0) === byte)?.[1];
  if (short !== undefined) return `\\${short}`;
  if (byte < 0x20) return `\\u00${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return undefined;
});

const indentBytes = 4;
const space = 0x20;
const lineFeed = 0x0a;

/** Bytes after which a piece is long enough to be taken. */
const pieceBytes = 16_384;

interface Level {
  readonly isArray: boolean;
  /** Names and values so far. */
  count: number;
}

/**
 * Writes JSON in the layout of TensorFlow Serving: an indent of four, objects with a member on each line, arrays with an
 * element on each line or all on one. Strings are bytes, and need not be UTF-8.
 */
export class JsonWriter {
  #bytes = new Uint8Array(256);
  #length = 0;
  readonly #levels: Level[] = [];
  /** Whether elements of an array follow each other on one line; to be set between its elements, too. */
  isOnOneLine = false;

  /** Bytes that were not taken yet. */
  get byteLength(): number {
    return this.#length;
  }

  /** Whether it is time to take what was written: long texts are written piece by piece. */
  get isFull(): boolean {
    return this.#length >= pieceBytes;
  }

  startObject(): void {
    this.#place();
    this.#append("{");
    this.#levels.push({ isArray: false, count: 0 });
  }

  endObject(): void {
    if ((this.#levels.pop()?.count ?? 0) > 0) this.#newLine();
    this.#append("}");
  }

  startArray(): void {
    this.#place();
    this.#append("[");
    this.#levels.push({ isArray: true, count: 0 });
  }

  endArray(): void {
    if ((this.#levels.pop()?.count ?? 0) > 0 && !this.isOnOneLine) this.#newLine();
    this.#append("]");
  }

  /** Writes a number or another word as it is, in ASCII. */
  raw(text: string): void {
    this.#place();
    this.#append(text);
  }

  /** Writes a string, or the name of a member. */
  string(bytes: Uint8Array): void {
    this.startString();
    this.stringPart(bytes);
    this.endString();
  }

  startString(): void {
    this.#place();
    this.#append('"');
  }

  stringPart(bytes: Uint8Array): void {
    for (const byte of bytes) {
      const escaped = escapes[byte];
      if (escaped !== undefined) {
        this.#append(escaped);
        continue;
      }
      if (this.#length === this.#bytes.length) this.#reserve(1);
      this.#bytes[this.#length] = byte;
      this.#length += 1;
    }
  }

  endString(): void {
    this.#append('"');
  }

  /** Returns what was written since the last time. */
  take(): Uint8Array {
    const piece = this.#bytes.subarray(0, this.#length);
    this.#bytes = new Uint8Array(this.#length);
    this.#length = 0;
    return piece;
  }

  /** Appends text in ASCII. */
  #append(text: string): void {
    this.#reserve(text.length);
    for (let at = 0; at < text.length; at += 1)
      this.#bytes[this.#length + at] = text.charCodeAt(at);
    this.#length += text.length;
  }

  #reserve(byteCount: number): void {
    const needed = this.#length + byteCount;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }

  /** Writes what stands before a value or a name. */
  #place(): void {
    const level = this.#levels.at(-1);
    if (!level) return;
    const { count, isArray } = level;
    level.count += 1;
    if (!isArray && count % 2 === 1) {
      this.#append(": ");
      return;
    }
    if (count > 0) this.#append(",");
    if (isArray && this.isOnOneLine) this.#append(count > 0 ? " " : "");
    else this.#newLine();
  }

  #newLine(): void {
    const byteCount = 1 + indentBytes * this.#levels.length;
    this.#reserve(byteCount);
    this.#bytes[this.#length] = lineFeed;
    this.#bytes.fill(space, this.#length + 1, this.#length + byteCount);
    this.#length += byteCount;
  }
}
