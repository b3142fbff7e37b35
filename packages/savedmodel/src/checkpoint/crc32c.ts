/** Castagnoli's polynomial, reflected. */
const polynomial = 0x82f6_3b78;

/** Table k: what byte b, followed by k bytes of zeros, adds to the sum. */
const tables: readonly Int32Array[] = createTables();

function createTables(): readonly Int32Array[] {
  const made = Array.from({ length: 4 }, () => new Int32Array(256));
  const first = made[0] as Int32Array;
  for (let byte = 0; byte < 256; byte += 1) {
    let sum = byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? polynomial : 0);
    first[byte] = sum;
  }
  for (let table = 1; table < made.length; table += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const before = made[table - 1]?.[byte] as number;
      (made[table] as Int32Array)[byte] = (before >>> 8) ^ (first[before & 0xff] as number);
    }
  }
  return made;
}

/** Returns the CRC-32C of bytes, unsigned. Four bytes are taken in a step. */
export function crc32c(bytes: Uint8Array): number {
  const [zero, one, two, three] = tables as [Int32Array, Int32Array, Int32Array, Int32Array];
  const words = bytes.byteLength - (bytes.byteLength % 4);
  let sum = -1;
  let at = 0;
  for (; at < words; at += 4) {
    sum ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    sum =
      (three[sum & 0xff] as number) ^
      (two[(sum >>> 8) & 0xff] as number) ^
      (one[(sum >>> 16) & 0xff] as number) ^
      (zero[sum >>> 24] as number);
  }
  for (; at < bytes.byteLength; at += 1) {
    sum = (sum >>> 8) ^ (zero[(sum ^ (bytes[at] as number)) & 0xff] as number);
  }
  return ~sum >>> 0;
}

/**
 * Returns a CRC as LevelDB and TensorFlow store it: masked, since the CRC of bytes with their CRC inside means little.
 *
 * @see leveldb/util/crc32c.h
 */
export function maskedCrc32c(bytes: Uint8Array): number {
  const sum = crc32c(bytes);
  return (((sum >>> 15) | (sum << 17)) + 0xa282_ead8) >>> 0;
}
