import type { HeaderBlock } from "@tensorgate/grpc";
import { maxHeaderBytes } from "./contract.ts";
import { endOfText, huffmanLengths, staticFields } from "./hpack-tables.ts";

/** A header block as it was received. */
export interface DecodedBlock {
  /** Of a block that is over a limit, a part. */
  readonly headers: HeaderBlock;
  /** Length of all fields, as HTTP/2 counts it; more than `maxHeaderBytes` if they are too many. */
  readonly byteCount: number;
  /** The code of `:status`; 0 without one, as in trailers. */
  readonly status: number;
  /** Why the block is malformed, if it is. @see RFC 9113, section 8.1.1 */
  readonly fault: string | undefined;
}

/** Thrown when a block cannot be decoded: the connection cannot be used any further. @see RFC 7541 */
export class HpackError extends Error {
  override readonly name = "HpackError";
}

/** Memory of the dynamic table, in bytes as HPACK counts them: HTTP/2 allows them without SETTINGS that say less. */
const tableBytes = 4_096;

/** What a field counts beside its name and its value, in bytes. @see RFC 7541, section 4.1 */
const fieldOverheadBytes = 32;

/** Fields of a block that are kept. */
const maxFields = 128;

/** Decoded blocks that a connection keeps: how long they are, and what they hold as HPACK counts it, in bytes. */
const keepLimits = { maxBlocks: 8, maxBlockBytes: 128, maxFieldBytes: 1_024 } as const;

type Field = readonly [name: string, value: string];

/** Names that a header may have. */
export const isName: RegExp = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const isUnsafeValue = /[\0\r\n]/;

/** Fields of HTTP/1.1 that have no place in HTTP/2. @see RFC 9113, section 8.2.2 */
export const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

const noBytes: Buffer = Buffer.alloc(0);

/** Decodes the header blocks of one connection. */
export class HpackDecoder {
  /** The dynamic table, newest first. */
  #table: Field[] = [];
  #heldBytes = 0;
  #maxBytes = tableBytes;
  /** Blocks by their bytes, while the table stays as it is: a server says the same in nearly every reply. */
  readonly #kept = new Map<string, DecodedBlock>();
  #hasTableChanged = false;
  // The block that is being decoded.
  #block = noBytes;
  #at = 0;

  /** @throws HpackError if the block cannot be decoded */
  decode(block: Buffer): DecodedBlock {
    const isShort = block.length <= keepLimits.maxBlockBytes;
    const bytes = isShort ? block.toString("latin1") : "";
    const before = isShort && this.#kept.get(bytes);
    if (before) return before;
    this.#hasTableChanged = false;
    const fields = this.#fieldsOf(block);
    // What is decoded from here on may mean something else.
    if (this.#hasTableChanged || this.#kept.size === keepLimits.maxBlocks) this.#kept.clear();
    const isKept =
      isShort && !this.#hasTableChanged && fields.byteCount <= keepLimits.maxFieldBytes;
    if (isKept) this.#kept.set(bytes, fields);
    return fields;
  }

  #fieldsOf(block: Buffer): DecodedBlock {
    this.#block = block;
    this.#at = 0;
    const fields = new FieldList();
    while (this.#at < block.length) {
      const first = block[this.#at] as number;
      if (first & 0x80) {
        fields.add(this.#fieldAt(this.#integer(7)));
      } else if (first & 0x40) {
        const field = this.#literal(6);
        this.#remember(field);
        fields.add(field);
      } else if (first & 0x20) {
        if (fields.count > 0) throw new HpackError("a change of the table's size after fields");
        this.#resize(this.#integer(5));
      } else {
        fields.add(this.#literal(4));
      }
    }
    this.#block = noBytes;
    return fields;
  }

  #fieldAt(index: number): Field {
    const field =
      index <= staticFields.length
        ? staticFields[index - 1]
        : this.#table[index - staticFields.length - 1];
    if (!field) throw new HpackError(`no field has the index ${index}`);
    return field;
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#text() : this.#fieldAt(index)[0];
    return [name, this.#text()];
  }

  #remember(field: Field): void {
    this.#hasTableChanged = true;
    this.#table.unshift(field);
    this.#heldBytes += fieldBytes(field);
    this.#evict();
  }

  #resize(maxBytes: number): void {
    if (maxBytes > tableBytes) throw new HpackError("a table that is larger than allowed");
    this.#hasTableChanged = true;
    this.#maxBytes = maxBytes;
    this.#evict();
  }

  #evict(): void {
    while (this.#heldBytes > this.#maxBytes) {
      this.#heldBytes -= fieldBytes(this.#table.pop() as Field);
    }
  }

  #byte(): number {
    const byte = this.#block[this.#at];
    if (byte === undefined) throw new HpackError("a header block is cut short");
    this.#at += 1;
    return byte;
  }

  /** @see RFC 7541, section 5.1 */
  #integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let factor = 1; ; factor *= 128) {
      // Four bytes are enough for whatever fits in a block.
      if (factor > 2 ** 21) throw new HpackError("a number is too large");
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  /** @see RFC 7541, section 5.2 */
  #text(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    if (length > this.#block.length - start) throw new HpackError("a text is cut short");
    this.#at = start + length;
    return isHuffman
      ? huffmanText(this.#block, start, this.#at)
      : this.#block.toString("latin1", start, this.#at);
  }
}

function fieldBytes([name, value]: Field): number {
  return name.length + value.length + fieldOverheadBytes;
}

/** @throws HpackError if the code or its padding is invalid */
function huffmanText(block: Buffer, from: number, to: number): string {
  let text = "";
  let code = 0;
  let bits = 0;
  for (let at = from; at < to; at += 1) {
    const byte = block[at] as number;
    for (let shift = 7; shift >= 0; shift -= 1) {
      code = (code << 1) | ((byte >> shift) & 1);
      bits += 1;
      const length = huffmanLengths[bits];
      if (!length) throw new HpackError("an invalid Huffman code");
      const symbol = length.symbols[code - length.firstCode];
      if (symbol === undefined) continue;
      if (symbol === endOfText) throw new HpackError("a text ends in its middle");
      text += String.fromCharCode(symbol);
      code = 0;
      bits = 0;
    }
  }
  // What is left is the beginning of the end symbol: up to seven ones.
  if (bits > 7 || code !== 2 ** bits - 1) throw new HpackError("a text has invalid padding");
  return text;
}

/** Collects the fields of a block, and checks them. */
class FieldList implements DecodedBlock {
  readonly headers: Record<string, string | string[]> = { __proto__: null } as never;
  byteCount = 0;
  status = 0;
  fault: string | undefined;
  count = 0;

  add(field: Field): void {
    const [name, value] = field;
    this.count += 1;
    this.byteCount += fieldBytes(field);
    if (this.count > maxFields) this.byteCount = Math.max(this.byteCount, maxHeaderBytes + 1);
    if (this.byteCount > maxHeaderBytes || this.fault !== undefined) return;
    if (name.startsWith(":")) this.#addStatus(name, value);
    else if (!isName.test(name)) this.fault = `a header has the name ${JSON.stringify(name)}`;
    else if (connectionFields.has(name)) this.fault = `a header ${name}`;
    else if (isUnsafeValue.test(value)) this.fault = `header ${name} has a line break`;
    else this.#addHeader(name, value);
  }

  #addStatus(name: string, value: string): void {
    const isStatus = name === ":status" && this.count === 1;
    if (!isStatus || !(value === "200" || /^[1-9][0-9]{2}$/.test(value))) {
      this.fault = `${name}: ${JSON.stringify(value)} at position ${this.count}`;
      return;
    }
    this.status = Number(value);
    this.headers[name] = value;
  }

  /** As `node:http2` joins what comes twice. */
  #addHeader(name: string, value: string): void {
    const known = this.headers[name];
    if (name === "set-cookie") this.headers[name] = [...(known ?? []), value];
    else this.headers[name] = known === undefined ? value : `${known}, ${value}`;
  }
}
