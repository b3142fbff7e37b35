/** Returns the name of a value's class, which is the same in every realm (iframes, `vm`, test runners). */
export function classNameOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** Returns the bytes of a buffer or of a view of one; undefined for other values. */
export function bytesFrom(input: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (ArrayBuffer.isView(input)) {
    return unshared(new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
  }
  const isBuffer = /^(Shared)?ArrayBuffer$/.test(classNameOf(input));
  return isBuffer ? unshared(new Uint8Array(input as ArrayBufferLike)) : undefined;
}

/** Copies shared memory, which neither a `Blob` nor a socket accepts. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const isShared = classNameOf(bytes.buffer) === "SharedArrayBuffer";
  return isShared ? bytes.slice() : (bytes as Uint8Array<ArrayBuffer>);
}
