/** The class of a value by its name, so that one of another realm (an iframe, `vm`, a test runner) counts. */
export function classNameOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** Returns the bytes that a buffer holds, or a view of one; undefined for anything else. */
export function bytesFrom(input: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (ArrayBuffer.isView(input)) {
    return unshared(new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
  }
  const isBuffer = /^(Shared)?ArrayBuffer$/.test(classNameOf(input));
  return isBuffer ? unshared(new Uint8Array(input as ArrayBufferLike)) : undefined;
}

/** Shared memory is copied: neither a `Blob` nor a socket takes it. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const isShared = classNameOf(bytes.buffer) === "SharedArrayBuffer";
  return isShared ? bytes.slice() : (bytes as Uint8Array<ArrayBuffer>);
}
