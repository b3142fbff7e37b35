import { piecesOfFile } from "../files.ts";
import { OciError } from "../oci-error.ts";

/** A file, folder or link of a layer. Owner, times and the order of entries are fixed, so that the same files give the same bytes. */
export type TarEntry =
  | {
      readonly kind: "file";
      /** Relative, with slashes. */
      readonly path: string;
      readonly byteCount: number;
      readonly isExecutable?: boolean;
      readonly read: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
    }
  | { readonly kind: "folder"; readonly path: string; readonly isShared?: boolean }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

/** Returns the entry of a file on the disk. */
export function fileEntry(
  path: string,
  {
    file,
    byteCount,
    isExecutable = false,
  }: { readonly file: string; readonly byteCount: number; readonly isExecutable?: boolean },
): TarEntry {
  return { kind: "file", path, byteCount, isExecutable, read: () => piecesOfFile(file) };
}

const blockBytes = 512;
/** Longest name in a header of ustar. */
const maxNameBytes = 100;
/** Largest size in a header of ustar: eleven octal digits. */
const maxHeaderSize = 8 ** 11 - 1;

const encoder = new TextEncoder();

/**
 * Writes entries as a tar: sorted by path, with the folders above each, owner 0, times of 1970, and modes of 644, 755
 * or 1777 (a shared folder, such as /tmp). Names of more than 100 bytes and files of 8 GiB or more have pax headers.
 *
 * @throws OciError `invalid` for a path that leaves the layer or is there twice, or a file with another size than said
 * @see POSIX.1-2017, pax, "ustar Interchange Format"
 */
export async function* tarOf(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array> {
  for (const entry of completed(entries)) {
    yield* headers(entry);
    if (entry.kind !== "file") continue;
    let written = 0;
    for await (const piece of entry.read()) {
      written += piece.length;
      yield piece;
    }
    if (written !== entry.byteCount) {
      const text = `${entry.path} has ${written} bytes, not ${entry.byteCount}; it changed meanwhile, try again`;
      throw new OciError("invalid", text);
    }
    yield new Uint8Array(padding(written));
  }
  yield new Uint8Array(2 * blockBytes);
}

/** Sorts entries and adds the folders above them. */
function completed(entries: readonly TarEntry[]): readonly TarEntry[] {
  const byPath = new Map<string, TarEntry>();
  for (const entry of entries) {
    const { path } = entry;
    if (path.split("/").some((part) => ["", ".", ".."].includes(part)) || path.includes("\0")) {
      throw new OciError("invalid", `invalid path "${path}" in a layer`);
    }
    if (byPath.has(path)) throw new OciError("invalid", `"${path}" is twice in a layer`);
    byPath.set(path, entry);
  }
  for (const { path } of entries) {
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      const above = path.slice(0, at);
      const found = byPath.get(above);
      if (!found) byPath.set(above, { kind: "folder", path: above });
      else if (found.kind !== "folder") {
        throw new OciError("invalid", `"${above}" is a ${found.kind} and a folder in a layer`);
      }
    }
  }
  return [...byPath.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function* headers(entry: TarEntry): Generator<Uint8Array> {
  const name = entry.kind === "folder" ? `${entry.path}/` : entry.path;
  const size = entry.kind === "file" ? entry.byteCount : 0;
  const target = entry.kind === "link" ? entry.target : "";
  const records = [
    ...(isLong(name) ? [paxRecord("path", name)] : []),
    ...(isLong(target) ? [paxRecord("linkpath", target)] : []),
    ...(size > maxHeaderSize ? [paxRecord("size", String(size))] : []),
  ].join("");
  if (records !== "") {
    const bytes = encoder.encode(records);
    yield header({ name: "PaxHeader", size: bytes.length, mode: 0o644, type: "x" });
    yield bytes;
    yield new Uint8Array(padding(bytes.length));
  }
  yield header({
    name: shortened(name),
    size: Math.min(size, maxHeaderSize),
    mode: modeOf(entry),
    type: { file: "0", folder: "5", link: "2" }[entry.kind],
    target: shortened(target),
  });
}

const isLong = (text: string) =>
  encoder.encode(text).length > maxNameBytes || !/^[\x20-\x7e]*$/.test(text);

/** What readers without pax see; others take the pax header's. */
const shortened = (text: string) => text.replace(/[^\x20-\x7e]/g, "_").slice(0, maxNameBytes);

function modeOf(entry: TarEntry): number {
  switch (entry.kind) {
    case "file":
      return entry.isExecutable ? 0o755 : 0o644;
    case "folder":
      return entry.isShared ? 0o1777 : 0o755;
    case "link":
      return 0o777;
  }
}

/** A pax record begins with its own length. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const restBytes = encoder.encode(rest).length;
  let length = restBytes + 1;
  while (String(length).length + restBytes !== length) {
    length = String(length).length + restBytes;
  }
  return `${length}${rest}`;
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  readonly type: string;
  readonly target?: string;
}

function header({ name, size, mode, type, target = "" }: Header): Uint8Array {
  const block = new Uint8Array(blockBytes);
  const put = (text: string, at: number) => block.set(encoder.encode(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(name, 0);
  put(octal(mode, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(size, 11), 124);
  put(octal(0, 11), 136);
  put("        ", 148);
  put(type, 156);
  put(target, 157);
  put("ustar\u000000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${octal(sum, 6)}\0 `, 148);
  return block;
}

const padding = (byteCount: number) => (blockBytes - (byteCount % blockBytes)) % blockBytes;
