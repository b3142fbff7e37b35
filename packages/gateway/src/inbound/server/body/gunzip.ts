import zlib from "node:zlib";
import { InvalidRequestError, TooLargeError } from "@tensorgate/core";
import { createGrowingBuffer } from "./growing-buffer.ts";

/**
 * Decompresses a body piece by piece, up to a limit.
 *
 * @param maxBytes - most that it may be when unpacked
 * @param charge - called with each further amount of memory that the result takes, in bytes, before it is taken; what
 *   it throws ends the decompression
 * @throws TooLargeError as soon as it is known to be longer than `maxBytes` when unpacked
 * @throws InvalidRequestError if it is not gzip, or cut short
 */
export type Gunzip = (
  packed: Uint8Array,
  maxBytes: number,
  charge: (byteCount: number) => void,
) => Promise<Uint8Array>;

/** Bodies that are decompressed at the same time; each holds some 100 KiB beside its result, which the budget does not count. */
const maxAtOnce = 16;

/**
 * Bytes of input or output between two checks of the limits. It also limits how long a thread is occupied: a slice of
 * blocks that yield nothing takes as much time as one that yields a picture.
 */
const sliceBytes = 65_536;

export function createGunzip(): Gunzip {
  const waiting: (() => void)[] = [];
  let runningCount = 0;

  return async (packed, maxBytes, charge) => {
    // A slot goes to the first that waits, so no other body can take it in between.
    if (runningCount < maxAtOnce) runningCount += 1;
    else await new Promise<void>((resolve) => void waiting.push(resolve));
    try {
      return await unpack(packed, maxBytes, charge);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else runningCount -= 1;
    }
  };
}

const unpack: Gunzip = (packed, maxBytes, charge) =>
  new Promise((resolve, reject) => {
    const stream = zlib.createGunzip({ chunkSize: sliceBytes });
    const unpacked = createGrowingBuffer("at-most", maxBytes);
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
      if (unpacked.byteLength + chunk.byteLength > maxBytes) {
        return fail(unpacksTooLong(maxBytes));
      }
      try {
        unpacked.append(chunk, charge);
      } catch (thrown) {
        fail(thrown);
      }
    });
    // What follows the last member, such as padding, is left where it is.
    stream.once("end", () => end(() => resolve(unpacked.whole())));
    stream.once("error", (cause) =>
      fail(
        new InvalidRequestError("the body is not valid gzip, or is truncated", {
          field: "content-encoding",
          cause,
        }),
      ),
    );
    writeNext();
  });

function unpacksTooLong(maxBytes: number): TooLargeError {
  return new TooLargeError(`the body is longer than ${maxBytes} bytes when decompressed`, {
    hint: "send fewer or smaller pictures",
  });
}
