import {
  cutText,
  InvalidRequestError,
  type Picture,
  parseJsonBody,
  TooLargeError,
  type WorkBudget,
} from "@tensorgate/core";
import { meantParam, queryParams } from "./query-params.ts";

/** Most characters of a member's name that a message shows. */
const maxShownChars = 60;

/** Creates the error for more pictures than one call may have. */
export function tooManyPictures(maxPictures: number): TooLargeError {
  return new TooLargeError(`the request has more than ${maxPictures} pictures`, {
    hint: "split them over several calls",
  });
}

interface JsonBodyInfo {
  readonly maxPictures: number;
  readonly budget: WorkBudget;
}

/**
 * Reads `{"image": {"b64": "…"}}` or `{"images": [{"b64": "…", "id"?: "…"}, …]}`.
 *
 * @throws InvalidRequestError for anything else, also for further members: as `topK` here would otherwise have no effect
 * @throws TooLargeError if it holds more pictures than it may
 */
export function picturesFromJson(
  body: Uint8Array,
  { maxPictures, budget }: JsonBodyInfo,
): readonly Picture[] {
  const root = parseJsonBody(body, budget);
  if (!isObject(root)) throw new InvalidRequestError("the body must be a JSON object");
  const { image, images } = root;
  if ((image === undefined) === (images === undefined)) {
    throw new InvalidRequestError('the body must hold either "image" or "images"', {
      hint: '{"image": {"b64": "…"}}',
    });
  }
  assertMembers(root, ["image", "images"], "");
  if (image !== undefined) return [pictureFromJson(image, "image")];
  if (!Array.isArray(images)) {
    throw new InvalidRequestError('"images" must be an array', { field: "images" });
  }
  if (images.length > maxPictures) throw tooManyPictures(maxPictures);
  return images.map((each, index) => pictureFromJson(each, `images[${index}]`));
}

/** @param prefix - path of the object in the body, for the message */
function assertMembers(value: object, names: readonly string[], prefix: string): void {
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const field = cutText(prefix + unknown, maxShownChars);
  const meant = meantParam(unknown, [...names, ...queryParams]) ?? "";
  const hint = queryParams.includes(meant)
    ? `set it in the query: ?${meant}=…`
    : meant && `did you mean "${meant}"?`;
  throw new InvalidRequestError(`unknown member "${field}"`, {
    field,
    hint: hint || `members here: ${names.join(", ")}`,
  });
}

function pictureFromJson(value: unknown, field: string): Picture {
  if (!isObject(value) || typeof value["b64"] !== "string") {
    throw new InvalidRequestError(`${field} must be an object with the picture in "b64"`, {
      field,
    });
  }
  assertMembers(value, ["b64", "id"], `${field}.`);
  const { b64, id } = value;
  if (id !== undefined && typeof id !== "string") {
    throw new InvalidRequestError(`${field}.id must be a string`, { field: `${field}.id` });
  }
  return {
    bytes: bytesFromBase64(b64 as string, `${field}.b64`),
    ...(id !== undefined && { id }),
  };
}

/** What `FileReader.readAsDataURL` and `canvas.toDataURL` put before the base64. @see RFC 2397 */
const dataUrlPrefix = /^data:[^,]{0,200};base64,/i;

/** @throws InvalidRequestError unless it is all of the standard alphabet, with or without padding, perhaps in a data URL */
function bytesFromBase64(given: string, field: string): Uint8Array {
  if (given === "") throw new InvalidRequestError(`${field} is empty; send a picture`, { field });
  const text = given.replace(dataUrlPrefix, "");
  const digitCount = text.length - (text.endsWith("==") ? 2 : Number(text.endsWith("=")));
  const bytes = Buffer.from(text, "base64");
  // Node leaves out what is no digit, so that the result is too short; but it takes the alphabet for URLs as well, and
  // of characters beyond ASCII their lowest byte.
  const isWhole = digitCount % 4 !== 1 && bytes.byteLength === Math.floor((digitCount * 3) / 4);
  const isOther = text.includes("-") || text.includes("_") || Buffer.byteLength(text) > text.length;
  if (digitCount === 0 || !isWhole || isOther) {
    throw new InvalidRequestError(`${field} is not valid base64`, {
      field,
      hint: "RFC 4648, section 4",
    });
  }
  return bytes;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
