/** Short forms of characters in strings; other control characters are written by their number. */
const shortEscapes: ReadonlyMap<number, string> = new Map(
  Object.entries({
    '"': '"',
    "\\": "\\",
    "\b": "b",
    "\f": "f",
    "\n": "n",
    "\r": "r",
    "\t": "t",
  }).map(([character, letter]) => [character.charCodeAt(0), `\\${letter}`]),
);

const numberEscape = (byte: number) => `\\u00${byte.toString(16).toUpperCase().padStart(2, "0")}`;

const indent = "    ";

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

  /** Bytes so far. */
  get byteLength(): number {
    return this.#length;
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
    this.#place();
    this.#append('"');
    for (const byte of bytes) {
      if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) {
        if (this.#length === this.#bytes.length) this.#reserve(1);
        this.#bytes[this.#length] = byte;
        this.#length += 1;
      } else {
        this.#append(shortEscapes.get(byte) ?? numberEscape(byte));
      }
    }
    this.#append('"');
  }

  /** Returns what was written; to be called once, at the end. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
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
    larger.set(this.#bytes);
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
    this.#append(`\n${indent.repeat(this.#levels.length)}`);
  }
}
