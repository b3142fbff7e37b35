import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { OciError } from "./oci-error.ts";

const pieceBytes = 1 << 20;

/** Returns a value in place of the error that there is no such file or folder. */
export function unlessMissing<Value>(value: Value): (thrown: unknown) => Value {
  return (thrown) => {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return value;
    throw thrown;
  };
}

/** Reads a file in pieces. @throws OciError `file` if it cannot be read */
export async function* piecesOfFile(path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
      yield piece as Uint8Array;
    }
  } catch (cause) {
    throw new OciError("file", `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Returns the SHA-256 of a file, in hexadecimal. @throws OciError `file` if it cannot be read */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of piecesOfFile(path)) hash.update(piece);
  return hash.digest("hex");
}
