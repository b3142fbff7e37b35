/** The static table, from index 1: a name, or a name and a value. @see RFC 7541, appendix A */
export const staticFields: readonly (readonly [name: string, value: string])[] = [
  ":authority",
  ":method GET",
  ":method POST",
  ":path /",
  ":path /index.html",
  ":scheme http",
  ":scheme https",
  ":status 200",
  ":status 204",
  ":status 206",
  ":status 304",
  ":status 400",
  ":status 404",
  ":status 500",
  "accept-charset",
  "accept-encoding gzip, deflate",
  "accept-language",
  "accept-ranges",
  "accept",
  "access-control-allow-origin",
  "age",
  "allow",
  "authorization",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "etag",
  "expect",
  "expires",
  "from",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "link",
  "location",
  "max-forwards",
  "proxy-authenticate",
  "proxy-authorization",
  "range",
  "referer",
  "refresh",
  "retry-after",
  "server",
  "set-cookie",
  "strict-transport-security",
  "transfer-encoding",
  "user-agent",
  "vary",
  "via",
  "www-authenticate",
].map((field) => {
  const end = field.indexOf(" ");
  return end < 0 ? [field, ""] : [field.slice(0, end), field.slice(end + 1)];
});

/** The symbol that ends a text, and is only ever used as padding. */
export const endOfText = 256;

const ascii = (text: string) => [...text].map((char) => char.charCodeAt(0));
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

/**
 * Symbols of the Huffman code by the length of their codes, in bits. The code is canonical: codes of one length are
 * consecutive numbers, in the order of their symbols, and those of the next length go on from there.
 *
 * @see RFC 7541, appendix B
 */
const symbolsByLength: Readonly<Record<number, readonly number[]>> = {
  5: ascii("012aceiost"),
  6: ascii(" %-./3456789=A_bdfghlmnpru"),
  7: ascii(":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
  8: ascii("&*,;XZ"),
  10: ascii('!"()?'),
  11: ascii("'+|"),
  12: ascii("#>"),
  13: [0, ...ascii("$@[]~")],
  14: ascii("^}"),
  15: ascii("<`{"),
  19: [92, 195, 208],
  20: [128, 130, 131, 162, 184, 194, 224, 226],
  21: [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230],
  22: [
    ...[129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181],
    ...[185, 186, 187, 189, 190, 196, 198, 228, 232, 233],
  ],
  23: [
    ...[1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165],
    ...[166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239],
  ],
  24: [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237],
  25: [199, 207, 234, 235],
  26: [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255],
  27: [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, ...range(245, 248), ...range(250, 254)],
  28: [...range(2, 8), 11, 12, ...range(14, 21), ...range(23, 31), 127, 220, 249],
  30: [10, 13, 22, endOfText],
};

/** Codes of one length. */
export interface HuffmanLength {
  readonly firstCode: number;
  readonly symbols: readonly number[];
}

const maxCodeBits = 30;

/** The Huffman code: by the length of codes, in bits. */
export const huffmanLengths: readonly HuffmanLength[] = canonicalCode();

function canonicalCode(): readonly HuffmanLength[] {
  const lengths: HuffmanLength[] = [];
  let next = 0;
  for (let bits = 0; bits <= maxCodeBits; bits += 1) {
    const symbols = symbolsByLength[bits] ?? [];
    lengths.push({ firstCode: next, symbols });
    next = (next + symbols.length) * 2;
  }
  return lengths;
}
