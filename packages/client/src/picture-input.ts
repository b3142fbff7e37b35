import { readFile } from "node:fs/promises";
import { bytesFrom, classNameOf } from "@tensorgate/client-core";
import { cutText, InvalidRequestError, ScoringError } from "@tensorgate/core";

/** An encoded picture: a path, a `file:` URL, its bytes, a blob, or a stream of its bytes. */
export type PictureInput =
  | string
  | URL
  | ArrayBufferView
  | ArrayBuffer
  | Blob
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/** Largest picture that is read from a stream, in bytes: the gateway's own limit of a message. */
const maxStreamBytes = 67_108_864;

/** Longest path, in characters, as on Linux. A longer text is probably the picture itself, in base64. */
const maxPathChars = 4_095;

/** Most characters of a path that a message shows. */
const maxShownChars = 200;

/**
 * Returns the bytes of a picture. A stream is read to its end, so that the call can be retried.
 *
 * @throws InvalidRequestError if it cannot be read, or is empty
 */
export async function pictureBytes(input: PictureInput): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBytes(input).catch((thrown: unknown) => {
    if (ScoringError.is(thrown)) throw thrown;
    throw new InvalidRequestError(`${nameOf(input)} cannot be read: ${whyUnread(thrown)}`, {
      cause: thrown,
    });
  });
  if (bytes.byteLength > 0) return bytes;
  throw new InvalidRequestError(`${nameOf(input)} is empty`, {
    ...(isStream(input) && { hint: "a stream can be read only once; give each call its own" }),
  });
}

async function readBytes(input: PictureInput): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = bytesFrom(input);
  if (bytes) return bytes;
  if (typeof input === "string") return fileBytes(input);
  if (isUrl(input)) return fileBytes(new URL(input.href));
  if (isBlob(input)) return new Uint8Array(await input.arrayBuffer());
  if (isStream(input)) return streamBytes(input);
  throw new InvalidRequestError(`cannot send a picture of the class ${classNameOf(input)}`, {
    hint: "give a path, a file: URL, a Buffer, a Blob or a stream",
  });
}

/** Checks the members, since test runners replace the class. */
function isUrl(input: unknown): input is URL {
  const { href, protocol } = (input ?? {}) as Partial<URL>;
  return typeof href === "string" && typeof protocol === "string";
}

function isBlob(input: unknown): input is Blob {
  return (
    /^(Blob|File)$/.test(classNameOf(input)) && typeof (input as Blob).arrayBuffer === "function"
  );
}

function isStream(input: unknown): input is AsyncIterable<unknown> {
  return typeof input === "object" && input !== null && Symbol.asyncIterator in input;
}

async function fileBytes(path: string | URL): Promise<Uint8Array<ArrayBuffer>> {
  const scheme = path instanceof URL ? path.protocol : /^(https?|data):/i.exec(path)?.[0];
  if (scheme !== undefined && scheme !== "file:") {
    throw new InvalidRequestError(`${nameOf(path)} is not a file`, {
      hint: "fetch it, and give the bytes of the response",
    });
  }
  if (typeof path === "string" && path.length > maxPathChars) {
    throw new InvalidRequestError(
      `${nameOf(path)} is not a path: it has ${path.length} characters`,
      {
        hint: 'give the bytes of a picture; of base64, Buffer.from(text, "base64")',
      },
    );
  }
  return readFile(path);
}

async function streamBytes(stream: AsyncIterable<unknown>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of stream) {
    const bytes = bytesFrom(chunk);
    if (!bytes) {
      throw new InvalidRequestError("the stream contains text or objects, not bytes", {
        hint: "open it without an encoding",
      });
    }
    byteCount += bytes.byteLength;
    if (byteCount > maxStreamBytes) {
      throw new InvalidRequestError(`the stream is longer than ${maxStreamBytes} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** Returns the message of a failure without the path that Node appends. */
function whyUnread(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const { syscall } = thrown as NodeJS.ErrnoException;
  return syscall === undefined ? text : (text.split(`, ${syscall}`)[0] ?? text);
}

/** Names a picture in a message. */
function nameOf(input: PictureInput): string {
  if (typeof input === "string") return cutText(input, maxShownChars) || "the empty path";
  if (isUrl(input)) return cutText(input.href, maxShownChars);
  return isStream(input) ? "the stream" : "the picture";
}
