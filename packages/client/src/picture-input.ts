import { readFile } from "node:fs/promises";
import { argumentError, bytesFrom, classNameOf, shown } from "@tensorgate/client-core";
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

/** Shortest text that may be a picture in base64, in characters: no picture has fewer bytes. */
const minBase64Chars = 40;

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
  const hint =
    input == null ? "was a file chosen?" : "give a path, a file: URL, a Buffer, a Blob or a stream";
  throw argumentError("picture", "a picture", input, hint);
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
      hint: "give the bytes: await (await fetch(url)).arrayBuffer(), also of a data: URL",
      field: "picture",
    });
  }
  try {
    return await readFile(path);
  } catch (thrown) {
    if (typeof path !== "string" || !isBase64(path)) throw thrown;
    throw new InvalidRequestError(`picture ${shown(path)} is not a path, but probably base64`, {
      hint: 'give the bytes: Buffer.from(text, "base64")',
      field: "picture",
      cause: thrown,
    });
  }
}

/** A path of that length without a dot is rare, so that it is tried first. */
function isBase64(text: string): boolean {
  // Of pictures, only a JPEG begins like an absolute path.
  const isAbsolute = text.startsWith("/") && !text.startsWith("/9j/");
  return !isAbsolute && text.length > minBase64Chars && /^[\w+/\s-]+={0,2}\s*$/.test(text);
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
  if (typeof input !== "string" && !isUrl(input)) {
    return isStream(input) ? "the stream" : "the picture";
  }
  const text = typeof input === "string" ? input : input.href;
  if (/^data:/i.test(text)) return `picture ${shown(text)}`;
  return cutText(text, maxShownChars) || "the empty path";
}
