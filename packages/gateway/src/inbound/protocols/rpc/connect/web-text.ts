import { InvalidRequestError } from "@tensorgate/core";
import type { BodyPieces } from "../../../server/body/body-pieces.ts";

// gRPC-Web for browsers whose requests and responses can only be text: all bytes of a body in base64. Each side may
// pad wherever it flushes, not only at the end. See PROTOCOL-WEB.md of gRPC, "Protocol differences vs gRPC over HTTP2".

const padding = "=".charCodeAt(0);
const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The six bits that a character stands for, by its code; 255 for all others. */
const sixBits: Uint8Array = new Uint8Array(256).fill(255);
for (const [value, digit] of [...digits].entries()) sixBits[digit.charCodeAt(0)] = value;

/** Decodes base64 as it comes, in time that is linear however often it is padded. */
export function decodedPieces(pieces: BodyPieces): BodyPieces {
  let bits = 0;
  let digitCount = 0;
  let paddingLeft = 0;
  let decoded = new Uint8Array();

  function decode(text: Uint8Array): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.ceil(text.length * 0.75) + 3);
    let length = 0;
    for (const code of text) {
      if (code === padding && (paddingLeft > 0 || digitCount >= 2)) {
        if (paddingLeft > 0) {
          paddingLeft -= 1;
          continue;
        }
        // Of two digits one byte is left, of three two.
        bits <<= 6 * (4 - digitCount);
        bytes[length] = bits >> 16;
        if (digitCount === 3) bytes[length + 1] = (bits >> 8) & 0xff;
        length += digitCount - 1;
        paddingLeft = 3 - digitCount;
        digitCount = 0;
        bits = 0;
        continue;
      }
      const value = sixBits[code] ?? 255;
      if (value === 255 || paddingLeft > 0) throw notBase64();
      bits = (bits << 6) | value;
      digitCount += 1;
      if (digitCount < 4) continue;
      bytes[length] = bits >> 16;
      bytes[length + 1] = (bits >> 8) & 0xff;
      bytes[length + 2] = bits & 0xff;
      length += 3;
      digitCount = 0;
      bits = 0;
    }
    return bytes.subarray(0, length);
  }

  return {
    next: async (maxBytes) => {
      while (decoded.byteLength === 0) {
        const text = await pieces.next(Number.POSITIVE_INFINITY);
        if (!text && digitCount + paddingLeft > 0) throw notBase64();
        if (!text) return undefined;
        decoded = decode(text);
      }
      const piece = decoded.subarray(0, maxBytes);
      decoded = decoded.subarray(piece.byteLength);
      return piece;
    },
    stop: () => pieces.stop(),
  };
}

/** Encodes each piece of a response by itself, so that the client can read it as soon as it arrives. */
export async function* encodedPieces(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const { buffer, byteOffset, byteLength } of pieces) {
    yield Buffer.from(Buffer.from(buffer, byteOffset, byteLength).toString("base64"), "latin1");
  }
}

function notBase64(): InvalidRequestError {
  return new InvalidRequestError("the body is not valid base64", {
    field: "content-type",
    hint: "application/grpc-web-text takes base64; application/grpc-web+proto takes bytes",
  });
}
