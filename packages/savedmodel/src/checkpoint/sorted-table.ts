import { maskedCrc32c } from "./crc32c.ts";
import { unsnap } from "./snappy.ts";

/** Of the end of a table: two handles, filled up to 40 bytes, and a magic number. */
const footerBytes = 48;
const magic = 0xdb47_7524_8b80_fb57n;

/** After each block: how it is compressed, and its CRC. */
const trailerBytes = 5;
const compression = { none: 0, snappy: 1 } as const;

export interface TableLimits {
  /** Most bytes of all blocks together, decompressed. */
  readonly maxBlockBytes: number;
  readonly maxEntries: number;
}

export interface TableEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * Reads all entries of a sorted string table, as LevelDB and the index of a TensorBundle have them.
 *
 * @throws Error if the table is damaged, or exceeds a limit
 * @see https://github.com/google/leveldb/blob/main/doc/table_format.md
 */
export function readTable(file: Uint8Array, limits: TableLimits): readonly TableEntry[] {
  const footer = file.subarray(-footerBytes);
  if (footer.byteLength < footerBytes || view(footer).getBigUint64(40, true) !== magic) {
    throw new Error("not a table: the magic number at its end is missing");
  }
  let blockBytes = 0;
  const blockAt = (handle: Handle): Uint8Array => {
    const block = readBlock(file, handle, limits.maxBlockBytes - blockBytes);
    blockBytes += block.byteLength;
    return block;
  };

  const handles = new Cursor(footer);
  readHandle(handles); // of the meta index, which says nothing of the entries
  const entries: TableEntry[] = [];
  for (const { value } of blockEntries(blockAt(readHandle(handles)))) {
    for (const { key, value: stored } of blockEntries(blockAt(readHandle(new Cursor(value))))) {
      if (entries.length >= limits.maxEntries) {
        throw new Error(`more than ${limits.maxEntries} entries`);
      }
      entries.push({ key: Buffer.from(key).toString("utf8"), value: stored });
    }
  }
  return entries;
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

function readHandle(cursor: Cursor): Handle {
  return { offset: cursor.varint(), size: cursor.varint() };
}

function readBlock(file: Uint8Array, { offset, size }: Handle, maxBytes: number): Uint8Array {
  const end = offset + size;
  if (end + trailerBytes > file.byteLength) throw new Error("a block outside of the table");
  const kind = file[end];
  const stored = view(file).getUint32(end + 1, true);
  // The CRC covers the kind of compression too.
  if (maskedCrc32c(file.subarray(offset, end + 1)) !== stored) {
    throw new Error("a block with a wrong checksum");
  }
  const block = file.subarray(offset, end);
  if (kind === compression.snappy) return unsnap(block, maxBytes);
  if (kind !== compression.none) throw new Error(`unknown compression ${kind}`);
  if (size > maxBytes) throw new Error(`blocks of more than ${maxBytes} bytes`);
  return block;
}

/** Entries share the beginning of their keys with the one before; a list of restarts follows them. */
function* blockEntries(block: Uint8Array): Generator<{ key: Uint8Array; value: Uint8Array }> {
  if (block.byteLength < 4) throw new Error("a block that is cut short");
  const restartCount = view(block).getUint32(block.byteLength - 4, true);
  const end = block.byteLength - 4 - restartCount * 4;
  if (end < 0) throw new Error("a block that is cut short");
  const cursor = new Cursor(block.subarray(0, end));
  let key = new Uint8Array();
  while (!cursor.isAtEnd) {
    const shared = cursor.varint();
    const rest = cursor.varint();
    const valueBytes = cursor.varint();
    if (shared > key.byteLength) throw new Error("a key that is cut short");
    const next = new Uint8Array(shared + rest);
    next.set(key.subarray(0, shared));
    next.set(cursor.bytes(rest), shared);
    key = next;
    yield { key, value: cursor.bytes(valueBytes) };
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.byteLength;
  }

  varint(): number {
    let value = 0;
    for (let index = 0; index < 8; index += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) break;
      this.#at += 1;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value;
    }
    throw new Error("a number that is cut short");
  }

  bytes(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.#bytes.byteLength) throw new Error("a value that is cut short");
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }
}
