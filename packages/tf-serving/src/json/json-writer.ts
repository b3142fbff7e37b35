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
  /** One character for each byte. */
  #text = "";
  readonly #levels: Level[] = [];
  /** Whether elements of an array follow each other on one line; to be set between its elements, too. */
  isOnOneLine = false;

  /** Bytes so far. */
  get byteLength(): number {
    return this.#text.length;
  }

  startObject(): void {
    this.#place();
    this.#text += "{";
    this.#levels.push({ isArray: false, count: 0 });
  }

  endObject(): void {
    if ((this.#levels.pop()?.count ?? 0) > 0) this.#newLine();
    this.#text += "}";
  }

  startArray(): void {
    this.#place();
    this.#text += "[";
    this.#levels.push({ isArray: true, count: 0 });
  }

  endArray(): void {
    if ((this.#levels.pop()?.count ?? 0) > 0 && !this.isOnOneLine) this.#newLine();
    this.#text += "]";
  }

  /** Writes a number or another word as it is, in ASCII. */
  raw(text: string): void {
    this.#place();
    this.#text += text;
  }

  /** Writes a string, or the name of a member. */
  string(bytes: Uint8Array): void {
    this.#place();
    let text = '"';
    for (const byte of bytes) {
      if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) text += String.fromCharCode(byte);
      else
        text +=
          shortEscapes.get(byte) ?? `\\u00${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    }
    this.#text += `${text}"`;
  }

  finish(): Uint8Array {
    const text = this.#text;
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    return bytes;
  }

  /** Writes what stands before a value or a name. */
  #place(): void {
    const level = this.#levels.at(-1);
    if (!level) return;
    const { count, isArray } = level;
    level.count += 1;
    if (!isArray && count % 2 === 1) {
      this.#text += ": ";
      return;
    }
    if (count > 0) this.#text += ",";
    if (isArray && this.isOnOneLine) this.#text += count > 0 ? " " : "";
    else this.#newLine();
  }

  #newLine(): void {
    this.#text += `\n${indent.repeat(this.#levels.length)}`;
  }
}
