/** Writes a number of bytes, such as `102 MB` or `1.5 GB`. */
export function byteText(byteCount: number): string {
  if (byteCount < 1_000) return `${byteCount} B`;
  if (byteCount < 1e6) return `${Math.round(byteCount / 1e3)} kB`;
  if (byteCount < 1e9) return `${Math.round(byteCount / 1e6)} MB`;
  return `${(byteCount / 1e9).toFixed(1)} GB`;
}
