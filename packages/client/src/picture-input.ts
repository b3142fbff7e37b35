import { readFile } from "node:fs/promises";
import { InvalidRequestError, ScoringError } from "@tensorgate/core";

/** A picture, encoded: a path, a `file:` URL, its bytes, a blob, or a stream of its bytes. */
export type PictureInput =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/** Largest picture that is read from a stream, in bytes: the gateway's own limit of a message. */
const maxStreamBytes = 67_108_864;

/**
 * The bytes of a picture. A stream is read to its end, so that the call can be made again.
 *
 * @throws InvalidRequestError if it cannot be read, or is empty
 */
export async function pictureBytes(input: PictureInput): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBytes(input).catch((thrown: unknown) => {
    if (ScoringError.is(thrown)) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new InvalidRequestError(`${nameOf(input)} cannot be read: ${why}`, { cause: thrown });
  });
  if (bytes.byteLength > 0) return bytes as Uint8Array<ArrayBuffer>;
  throw new InvalidRequestError(`${nameOf(input)} is empty`, {
    ...(isStream(input) && { hint: "a stream can be read only once: give each call its own" }),
  });
}

async function readBytes(input: PictureInput): Promise<Uint8Array> {
  if (typeof input === "string" || input instanceof URL) return fileBytes(input);
  if (input instanceof Uint8Array) return input;
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  if (input instanceof Blob) return new Uint8Array(await input.arrayBuffer());
  if (isStream(input)) return streamBytes(input);
  throw new InvalidRequestError("the picture is none of what can be sent", {
    hint: "a path, a file: URL, a Buffer, a Blob or a stream",
  });
}

function isStream(input: PictureInput): input is AsyncIterable<Uint8Array> {
  return typeof input === "object" && input !== null && Symbol.asyncIterator in input;
}

async function fileBytes(path: string | URL): Promise<Uint8Array> {
  const isElsewhere = path instanceof URL ? path.protocol !== "file:" : /^https?:\/\//i.test(path);
  if (isElsewhere) {
    throw new InvalidRequestError(`${nameOf(path)} is no file`, {
      hint: "fetch it, and send the response's bytes",
    });
  }
  return readFile(path);
}

async function streamBytes(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of stream) {
    if (!(chunk instanceof Uint8Array)) {
      throw new InvalidRequestError("the stream gives no bytes", {
        hint: "open it without an encoding",
      });
    }
    byteCount += chunk.byteLength;
    if (byteCount > maxStreamBytes) {
      throw new InvalidRequestError(`the stream is longer than ${maxStreamBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** For messages. */
function nameOf(input: PictureInput): string {
  if (typeof input === "string") return input || "a path of no letters";
  if (input instanceof URL) return input.href;
  return isStream(input) ? "the stream" : "the picture";
}
