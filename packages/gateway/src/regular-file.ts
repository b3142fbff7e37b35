import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** Longest file of settings, keys, certificates or labels, in bytes. */
const maxFileBytes = 16_777_216;

/**
 * Reads a whole file while the gateway runs. Takes regular files only: reading a pipe without a writer, or a device, never
 * ends, and would stop the event loop.
 *
 * @throws Error if it is not a regular file, has more than 16 MiB, or cannot be read
 */
export function readRegularFile(path: string): Buffer {
  // Opening a pipe would wait for its writer.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const status = fstatSync(file);
    if (!status.isFile()) throw new Error(`${path} is not a regular file`);
    if (status.size > maxFileBytes) {
      throw new Error(`${path} has ${status.size} bytes; at most ${maxFileBytes} are read`);
    }
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}
