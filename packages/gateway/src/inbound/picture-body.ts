import {
  InvalidRequestError,
  type Picture,
  ScoringError,
  UnsupportedMediaError,
} from "@tensorgate/core";
import type { Exchange } from "./exchange.ts";
import { parseJsonBody } from "./reading/json-body.ts";

/**
 * Reads the pictures of a request: the body itself, the files of a form, or base64 in JSON.
 *
 * A body that is a picture is passed on in the buffer it was received in.
 *
 * @throws UnsupportedMediaError if the content type is none of these
 * @throws InvalidRequestError if the body is not what its content type says, or is empty
 */
export async function picturesFromBody(
  exchange: Exchange,
  maxBodyBytes: number,
): Promise<readonly Picture[]> {
  const contentType = exchange.header("content-type") ?? "application/octet-stream";
  const mediaType = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const read = readerOf(mediaType);
  // A form or base64 is taken apart into copies.
  const body = await exchange.body(maxBodyBytes, read === rawPicture ? 1 : 3);
  if (body.byteLength === 0) {
    throw new InvalidRequestError("the body is empty; it must hold a picture", {
      hint: "curl --data-binary @picture.jpg",
    });
  }
  return read(body, contentType);
}

type ReadBody = (body: Uint8Array, contentType: string) => Promise<readonly Picture[]>;

function readerOf(mediaType: string): ReadBody {
  if (mediaType.startsWith("image/") || rawMediaTypes.has(mediaType)) {
    return rawPicture;
  }
  if (mediaType === "multipart/form-data") return picturesFromForm;
  if (mediaType === "application/json") return async (body) => picturesFromJson(body);
  throw new UnsupportedMediaError(`a body of type "${mediaType.slice(0, 80)}" is not understood`, {
    field: "content-type",
    hint: "send image/*, application/octet-stream, multipart/form-data or application/json",
  });
}

const rawPicture: ReadBody = async (body) => [{ bytes: body }];

/** The second is what `curl --data-binary` says when nobody told it better; the bytes are looked at anyway. */
const rawMediaTypes: ReadonlySet<string> = new Set([
  "application/octet-stream",
  "application/x-www-form-urlencoded",
]);

/** Every file of the form is a picture; its field name, or else its file name, is its id. */
async function picturesFromForm(
  body: Uint8Array,
  contentType: string,
): Promise<readonly Picture[]> {
  const form = await parsedForm(body, contentType);
  const files = [...form].filter((entry): entry is [string, File] => typeof entry[1] !== "string");
  if (files.length === 0) {
    throw new InvalidRequestError("the form holds no file", {
      hint: "curl -F image=@picture.jpg",
    });
  }
  return Promise.all(
    files.map(async ([field, file]) => ({
      id: file.name || field,
      bytes: new Uint8Array(await file.arrayBuffer()),
    })),
  );
}

async function parsedForm(body: Uint8Array, contentType: string): Promise<FormData> {
  try {
    // The runtime's own parser; the copy is the price of not having one ourselves.
    const whole = new Uint8Array(body);
    return await new Response(whole, { headers: { "content-type": contentType } }).formData();
  } catch (cause) {
    throw new InvalidRequestError("the body is not a well-formed multipart/form-data form", {
      cause,
    });
  }
}

/** `{"image": {"b64": "…"}}` or `{"images": [{"b64": "…", "id"?: "…"}, …]}`. */
function picturesFromJson(body: Uint8Array): readonly Picture[] {
  const root = parseJsonBody(body);
  if (!isObject(root)) throw new InvalidRequestError("the body must be a JSON object");
  const { image, images } = root;
  if ((image === undefined) === (images === undefined)) {
    throw new InvalidRequestError('the body must hold either "image" or "images"', {
      hint: '{"image": {"b64": "…"}}',
    });
  }
  if (image !== undefined) return [pictureFromJson(image, "image")];
  if (!Array.isArray(images)) {
    throw new InvalidRequestError('"images" must be an array', { field: "images" });
  }
  return images.map((each, index) => pictureFromJson(each, `images[${index}]`));
}

function pictureFromJson(value: unknown, field: string): Picture {
  if (!isObject(value) || typeof value["b64"] !== "string") {
    throw new InvalidRequestError(`${field} must be an object with the picture in "b64"`, {
      field,
    });
  }
  const { b64, id } = value;
  if (id !== undefined && typeof id !== "string") {
    throw new InvalidRequestError(`${field}.id must be a string`, { field: `${field}.id` });
  }
  return {
    bytes: bytesFromBase64(b64 as string, `${field}.b64`),
    ...(id !== undefined && { id }),
  };
}

/** Standard alphabet, padding optional. Node's own decoder skips what it does not know, so the text is checked. */
function bytesFromBase64(text: string, field: string): Uint8Array {
  const unpadded = text.replace(/={1,2}$/, "");
  if (unpadded === "" || unpadded.length % 4 === 1 || !/^[A-Za-z0-9+/]*$/.test(unpadded)) {
    throw new InvalidRequestError(`${field} is not base64`, {
      field,
      hint: text.startsWith("data:")
        ? "leave out what comes before the comma"
        : "RFC 4648, section 4",
    });
  }
  return Buffer.from(unpadded, "base64");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A call for a single picture fails with that picture; among many, each has its own error. */
export function throwIfOnlyPictureFailed(
  results: readonly { readonly ok: boolean; readonly error?: ScoringError }[],
): void {
  const [only] = results;
  if (results.length === 1 && only?.error) throw ScoringError.from(only.error);
}
