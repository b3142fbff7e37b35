import zlib from "node:zlib";
import { InvalidRequestError, TooLargeError, UnsupportedMediaError } from "@tensorgate/core";
import type { MemoryAccount } from "./body-budget.ts";
import { GrowingBuffer } from "./read-body.ts";

/** Compressions that bodies may have. */
export type Coding = "gzip" | "deflate";

export interface DecompressOptions {
  readonly coding: Coding;
  /** Most that the body may be when unpacked. */
  readonly maxBytes: number;
  /**
   * Where each further amount of memory that the result takes is counted before it is taken; what it throws ends the
   * decompression.
   */
  readonly account: MemoryAccount;
}

/**
 * Decompresses a body piece by piece, up to a limit.
 *
 * @throws TooLargeError as soon as it is known to be longer than `maxBytes` when unpacked
 * @throws InvalidRequestError if it is not compressed like that, or cut short
 */
export type Decompress = (packed: Uint8Array, options: DecompressOptions) => Promise<Uint8Array>;

/**
 * Reads the value of a header such as `content-encoding`.
 *
 * @returns undefined for any coding but one `gzip`, under either of its names, one `deflate`, or none: not `br`, not two
 * @see RFC 9110, section 8.4.1.3
 */
export function contentCoding(value: string | undefined): Coding | "identity" | undefined {
  const name = value?.trim().toLowerCase() || "identity";
  if (name === "gzip" || name === "x-gzip") return "gzip";
  return name === "deflate" || name === "identity" ? name : undefined;
}

/** @param field - the header that names the encoding */
export function unsupportedEncoding(encoding: string, field: string): UnsupportedMediaError {
  return new UnsupportedMediaError(`unsupported encoding "${encoding.slice(0, 40)}"`, {
    isEncoding: true,
    field,
    hint: "send it uncompressed, or as gzip or deflate; compression does not shrink pictures",
  });
}

/** Bodies that are decompressed at the same time; each holds some 100 KiB beside its result, which the budget does not count. */
const maxAtOnce = 16;

/**
 * Bytes of input or output between two checks of the limits. It also limits how long a thread is occupied: a slice of
 * blocks that yield nothing takes as much time as one that yields a picture.
 */
const sliceBytes = 65_536;

export function createDecompress(): Decompress {
  const waiting: (() => void)[] = [];
  let runningCount = 0;

  return async (packed, options) => {
    // A slot goes to the first that waits, so no other body can take it in between.
    if (runningCount < maxAtOnce) runningCount += 1;
    else await new Promise<void>((resolve) => void waiting.push(resolve));
    try {
      return await unpack(packed, options);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else runningCount -= 1;
    }
  };
}

const unpack: Decompress = (packed, { coding, maxBytes, account }) =>
  new Promise((resolve, reject) => {
    const stream = createUnpacker(coding, packed);
    const unpacked = new GrowingBuffer("at-most", maxBytes, () => unpacksTooLong(maxBytes));
    let at = 0;

    function end(settle: () => void): void {
      stream.destroy();
      settle();
    }

    function fail(error: unknown): void {
      unpacked.free();
      end(() => reject(error));
    }

    function writeNext(): void {
      if (stream.destroyed) return;
      if (at >= packed.byteLength) return void stream.end();
      const slice = packed.subarray(at, at + sliceBytes);
      at += sliceBytes;
      stream.write(slice, (error) => {
        if (!error) writeNext();
      });
    }

    stream.on("data", (chunk: Buffer) => {
      try {
        unpacked.push(chunk, account);
      } catch (thrown) {
        fail(thrown);
      }
    });
    // What follows the last member, such as padding, is left where it is.
    stream.once("end", () => end(() => resolve(unpacked.end())));
    stream.once("error", (cause) =>
      fail(
        new InvalidRequestError(`the body is not valid ${coding}, or is truncated`, {
          field: "content-encoding",
          cause,
        }),
      ),
    );
    writeNext();
  });

function createUnpacker(coding: Coding, packed: Uint8Array): zlib.Gunzip | zlib.Inflate {
  const options = { chunkSize: sliceBytes };
  if (coding === "gzip") return zlib.createGunzip(options);
  // `deflate` has a header of two bytes (RFC 9110, section 8.4.1.2), which some clients leave out, as browsers know.
  const [method = 0, check = 0] = packed;
  const hasHeader = (method & 0x0f) === 8 && (method * 256 + check) % 31 === 0;
  return hasHeader ? zlib.createInflate(options) : zlib.createInflateRaw(options);
}

function unpacksTooLong(maxBytes: number): TooLargeError {
  return new TooLargeError(`the body is longer than ${maxBytes} bytes when decompressed`, {
    hint: "send fewer or smaller pictures",
  });
}
