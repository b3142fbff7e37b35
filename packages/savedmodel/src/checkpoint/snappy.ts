/**
 * Decompresses a block of raw Snappy.
 *
 * @param maxBytes - most bytes of the result
 * @throws Error if the block is damaged, or its result longer than that
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 */
export function unsnap(block: Uint8Array, maxBytes: number): Uint8Array {
  let at = 0;
  const byte = (): number => {
    const value = block[at];
    if (value === undefined) throw new Error("a Snappy block that is cut short");
    at += 1;
    return value;
  };
  const littleEndian = (byteCount: number): number => {
    let value = 0;
    for (let index = 0; index < byteCount; index += 1) value += byte() * 256 ** index;
    return value;
  };

  const size = uncompressedSize(byte);
  if (size > maxBytes) throw new Error(`a Snappy block of ${size} bytes; at most ${maxBytes}`);
  const result = new Uint8Array(size);
  let end = 0;
  while (at < block.byteLength) {
    const tag = byte();
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >> 2;
      const length = 1 + (short < 60 ? short : littleEndian(short - 59));
      if (length > block.byteLength - at || length > size - end) throw damaged();
      result.set(block.subarray(at, at + length), end);
      at += length;
      end += length;
      continue;
    }
    const length = kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2);
    const offset = kind === 1 ? ((tag >> 5) << 8) | byte() : littleEndian(kind === 2 ? 2 : 4);
    if (offset === 0 || offset > end || length > size - end) throw damaged();
    // Byte by byte: a copy may reach into what it writes.
    for (let index = 0; index < length; index += 1, end += 1) {
      result[end] = result[end - offset] as number;
    }
  }
  if (end !== size) throw damaged();
  return result;
}

function uncompressedSize(byte: () => number): number {
  let size = 0;
  for (let index = 0; index < 5; index += 1) {
    const part = byte();
    size += (part & 0x7f) * 2 ** (7 * index);
    if (part < 0x80) return size;
  }
  throw damaged();
}

const damaged = () => new Error("a damaged Snappy block");
