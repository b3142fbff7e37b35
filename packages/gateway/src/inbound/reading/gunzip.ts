import { promisify } from "node:util";
import zlib from "node:zlib";
import { InvalidRequestError, TooLargeError, UnsupportedMediaError } from "@tensorgate/core";

/**
 * Unpacks a body.
 *
 * @throws TooLargeError as soon as it is known to be longer than `maxBytes` when unpacked
 * @throws InvalidRequestError if it is not gzip, or cut short
 */
export type Gunzip = (packed: Uint8Array, maxBytes: number) => Promise<Uint8Array>;

/**
 * Bodies that are unpacked at the same time. Until they are counted they hold up to `maxBytes` each, so a
 * handful, whatever number of them comes.
 */
const maxAtOnce = 4;

const unpack = promisify(zlib.gunzip);

export function gunzipper(): Gunzip {
  const waiting: (() => void)[] = [];
  let runningCount = 0;

  return async (packed, maxBytes) => {
    if (runningCount >= maxAtOnce) {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    }
    runningCount += 1;
    try {
      return await unpack(packed, { maxOutputLength: maxBytes });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
        throw new TooLargeError(`the body is longer than ${maxBytes} bytes when unpacked`, {
          hint: "send fewer or smaller pictures",
        });
      }
      throw new InvalidRequestError("the body is not gzip, or is cut short", {
        field: "content-encoding",
        cause,
      });
    } finally {
      runningCount -= 1;
      waiting.shift()?.();
    }
  };
}

/** @throws UnsupportedMediaError for any encoding but one `gzip` or none: not `br`, not two of them */
export function isGzip(encoding: string | undefined, header: string): boolean {
  const name = encoding?.trim().toLowerCase() || "identity";
  if (name === "gzip" || name === "identity") return name === "gzip";
  throw new UnsupportedMediaError(`the encoding "${name.slice(0, 40)}" is not understood`, {
    field: header,
    hint: "send it as it is, or as gzip; pictures do not shrink",
  });
}
