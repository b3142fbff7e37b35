/** Characters that are converted together: more arguments than an engine passes to a function would fail. */
const chunkBytes = 8_192;

/** Returns the little-endian bytes of numbers. */
export function floatBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of values.entries()) view.setFloat32(at * 4, value, true);
  return bytes;
}

/** Writes numbers as base64 of their little-endian bytes. */
export function base64FromFloats(values: Float32Array): string {
  const bytes = floatBytes(values);
  let characters = "";
  for (let from = 0; from < bytes.length; from += chunkBytes) {
    characters += String.fromCharCode(...bytes.subarray(from, from + chunkBytes));
  }
  return btoa(characters);
}

/** @returns undefined if it is not base64, or not of whole numbers */
export function floatsFromBase64(text: string): Float32Array | undefined {
  let characters: string;
  try {
    characters = atob(text);
  } catch {
    return undefined;
  }
  if (characters.length % 4 !== 0) return undefined;
  const bytes = Uint8Array.from({ length: characters.length }, (_, at) =>
    characters.charCodeAt(at),
  );
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(at * 4, true));
}
