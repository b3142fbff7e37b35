import { setImmediate as nextLoopTurn } from "node:timers/promises";
import {
  createWorkBudget,
  type Detections,
  InvalidRequestError,
  type LabelScore,
  type ModelDescription,
  type Picture,
  type PictureResponse,
  type PictureResult,
  type Rectangle,
  shortestFloat32,
  UnsupportedMediaError,
  type WorkBudget,
} from "@tensorgate/core";
import { type FormPart, formParts } from "../../server/body/form-parts.ts";
import type { Exchange } from "../../server/exchange.ts";
import { throwIfOnlyPictureFailed } from "../call.ts";
import type { HttpAnswer } from "../http-handler.ts";
import { problemDetails } from "./errors.ts";
import { picturesFromJson, tooManyPictures } from "./json-pictures.ts";
import { assertNoParam } from "./query-params.ts";

export interface PictureBodyLimits {
  /** Longest body, in bytes. */
  readonly maxBodyBytes: number;
  /** Pictures of one call. */
  readonly maxPictures: number;
}

/**
 * Reads the pictures of a request: the body itself, the files of a form, or base64 in JSON.
 *
 * A body that is a picture, and the files of a form, are passed on in the buffer they were received in.
 *
 * @throws UnsupportedMediaError if the content type is none of these
 * @throws InvalidRequestError if the body is not what its content type says, or is empty
 * @throws TooLargeError if it holds more pictures than it may, or far more than that of anything else
 */
export function picturesFromBody(
  exchange: Exchange,
  limits: PictureBodyLimits,
): Promise<readonly Picture[]> {
  const contentType = exchange.header("content-type") ?? "application/octet-stream";
  // As nearly all clients write it: nothing of it needs to be cut off or made lower case.
  if (contentType.startsWith("image/") || rawMediaTypes.has(contentType)) {
    return exchange.body(limits.maxBodyBytes).then(onlyPicture);
  }
  return picturesOfType(contentType, exchange, limits);
}

async function picturesOfType(
  contentType: string,
  exchange: Exchange,
  { maxBodyBytes, maxPictures }: PictureBodyLimits,
): Promise<readonly Picture[]> {
  const mediaType = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (mediaType.startsWith("image/") || rawMediaTypes.has(mediaType)) {
    return onlyPicture(await exchange.body(maxBodyBytes));
  }
  const read = readerOf(mediaType);
  // JSON is the body, its text, a text for each picture, and then their bytes.
  const body = await exchange.body(maxBodyBytes, read === picturesFromJson ? 4 : 1);
  if (body.byteLength === 0) throw emptyBody();
  const budget = createWorkBudget(freeElements + elementsPerPicture * maxPictures);
  return read(body, { contentType, maxPictures, budget });
}

function onlyPicture(bytes: Uint8Array): readonly Picture[] {
  if (bytes.byteLength === 0) throw emptyBody();
  return [{ bytes }];
}

function emptyBody(): InvalidRequestError {
  return new InvalidRequestError("the body is empty; send a picture", {
    hint: "curl --data-binary @picture.jpg",
  });
}

/** Parts, headers, values and keys that a body may have whatever number of pictures, and for each of them. */
const freeElements = 1_024;
const elementsPerPicture = 16;

interface BodyInfo {
  readonly contentType: string;
  readonly maxPictures: number;
  readonly budget: WorkBudget;
}

type ReadBody = (body: Uint8Array, info: BodyInfo) => readonly Picture[];

function readerOf(mediaType: string): ReadBody {
  if (mediaType === "multipart/form-data") return picturesFromForm;
  if (mediaType === "application/json") return picturesFromJson;
  throw new UnsupportedMediaError(`unsupported content type "${mediaType.slice(0, 80)}"`, {
    field: "content-type",
    hint: "send image/*, application/octet-stream, multipart/form-data or application/json",
  });
}

/** What object stores and clients say of bytes of any kind. */
const binaryMediaTypes = ["application/octet-stream", "binary/octet-stream"];

/** The last is the default of `curl --data-binary`; the picture's header is checked in any case. */
const rawMediaTypes: ReadonlySet<string> = new Set([
  ...binaryMediaTypes,
  "application/x-www-form-urlencoded",
]);

/** Every file of the form is a picture; its file name, or else its field name, is its id. */
const picturesFromForm: ReadBody = (body, { contentType, maxPictures, budget }) => {
  const pictures: Picture[] = [];
  for (const part of formParts(body, contentType, budget)) {
    if (!isFile(part)) {
      assertNoParam(part.name);
      continue;
    }
    if (pictures.length === maxPictures) throw tooManyPictures(maxPictures);
    const id = part.fileName || part.name;
    pictures.push({ bytes: part.bytes, ...(id !== "" && { id }) });
  }
  if (pictures.length > 0) return pictures;
  throw new InvalidRequestError("the form has no file", { hint: "curl -F image=@picture.jpg" });
};

/**
 * A file name is not mandatory where the type says what it is. Neither a name nor bytes has what a browser sends of a
 * file input that is left empty.
 *
 * @see RFC 7578, section 4.2; WHATWG HTML, "constructing the entry list"
 */
function isFile({ fileName, mediaType = "text/plain", bytes }: FormPart): boolean {
  if (fileName === "" && bytes.byteLength === 0) return false;
  return (
    fileName !== undefined || mediaType.startsWith("image/") || binaryMediaTypes.includes(mediaType)
  );
}

/** What a task found on one picture, as the members of a JSON object. */
export type ValueJson<Value> = (value: Value) => string | Promise<string>;

export function pictureAnswer<Value>(
  response: PictureResponse<Value>,
  valueJson: ValueJson<Value>,
): HttpAnswer | Promise<HttpAnswer> {
  const { results } = response;
  throwIfOnlyPictureFailed(results);
  const [only] = results;
  if (!only || results.length > 1) return listAnswer(response, valueJson);
  const text = resultJson(only, valueJson);
  if (typeof text === "string") return answerOf(response, text);
  return text.then((json) => answerOf(response, json));
}

async function listAnswer<Value>(
  response: PictureResponse<Value>,
  valueJson: ValueJson<Value>,
): Promise<HttpAnswer> {
  const { results } = response;
  const texts: string[] = [];
  for (const result of results) {
    // Sixty-four pictures with a thousand boxes each are not written in one go.
    if (texts.length > 0 && (texts.at(-1)?.length ?? 0) > charactersPerTurn) await nextLoopTurn();
    const text = resultJson(result, valueJson);
    texts.push(typeof text === "string" ? text : await text);
  }
  return answerOf(response, texts.join(","));
}

/** @param resultsJson - the results, as members of a JSON array */
function answerOf(
  { model, region }: Pick<PictureResponse<unknown>, "model" | "region">,
  resultsJson: string,
): HttpAnswer {
  const modelMember = model
    ? `"model":{"name":${JSON.stringify(model.name)},"version":"${model.version}"},`
    : "";
  const regionMember = region === undefined ? "" : `"region":${JSON.stringify(region)},`;
  return {
    contentType: "application/json",
    body: `{${modelMember}${regionMember}"results":[${resultsJson}]}\n`,
    model,
    region,
  };
}

/** Text of one picture after which other work has its turn on the event loop: a millisecond's worth. */
const charactersPerTurn = 16_384;

function resultJson<Value>(
  result: PictureResult<Value>,
  valueJson: ValueJson<Value>,
): string | Promise<string> {
  const id = result.id === undefined ? "" : `"id":${JSON.stringify(result.id)},`;
  if (!result.ok) return `{${id}"error":${JSON.stringify(problemDetails(result.error))}}`;
  const value = valueJson(result.value);
  // Labels are written without a turn of the event loop, which only long lists of values take.
  return typeof value === "string" ? `{${id}${value}}` : value.then((text) => `{${id}${text}}`);
}

export function labelsJson(labels: readonly LabelScore[]): string {
  let items = "";
  for (const { index, label, score } of labels) {
    items += `${items && ","}{${labelMember(index, label)}${float32Json(score)}}`;
  }
  return `"labels":[${items}]`;
}

export function boxesJson({ boxes, image }: Detections): string {
  const items = boxes.map(
    ({ box, normalized, index, label, score }) =>
      `{${labelMember(index, label)}${float32Json(score)},"box":${rectangleJson(box)},"normalized":${rectangleJson(normalized)}}`,
  );
  return `"boxes":[${items.join(",")}],"image":{"width":${image.width},"height":${image.height}}`;
}

function rectangleJson({ x, y, width, height }: Rectangle): string {
  return `{"x":${float32Json(x)},"y":${float32Json(y)},"width":${float32Json(width)},"height":${float32Json(height)}}`;
}

/** What was written before of the label of each index: of a model's labels the same few come up again and again. */
const labelsBefore = new Map<number, { readonly label: string; readonly json: string }>();
const maxLabelsBefore = 8_192;

/** The members of a label that do not vary from picture to picture, up to the value of its score. */
function labelMember(index: number, label: string): string {
  const before = labelsBefore.get(index);
  if (before?.label === label) return before.json;
  const json = `"index":${index},"label":${JSON.stringify(label)},"score":`;
  if (index < maxLabelsBefore) labelsBefore.set(index, { label, json });
  return json;
}

export async function featuresJson(features: Float32Array): Promise<string> {
  return `"features":${await float32ArrayJson(features)}`;
}

export function jsonAnswer(value: object): HttpAnswer {
  return { contentType: "application/json", body: `${JSON.stringify(value)}\n` };
}

/** Versions are strings, since JSON numbers lose int64. */
export function modelJson({ labels, versions, ...rest }: ModelDescription): object {
  return { ...rest, versions: versions.map(String), labelCount: labels.length };
}

/** A float32 as the shortest JSON number that reads back as the same; JSON knows no NaN and no infinity, so these are `null`. */
export function float32Json(value: number): string {
  if (!Number.isFinite(value)) return "null";
  const shortest = shortestFloat32(value);
  return Object.is(shortest, -0) ? "-0" : String(shortest);
}

/** Values that are written until other work gets its turn on the event loop: about ten milliseconds' worth. */
export const valuesPerTurn = 8_192;

/**
 * A JSON array of float32, written piece by piece: a network may give millions of them.
 *
 * @param letOthers - lets other work happen in between
 */
export async function float32ArrayJson(
  values: Float32Array,
  letOthers: () => Promise<unknown> = () => nextLoopTurn(),
): Promise<string> {
  const pieces: string[] = [];
  for (let start = 0; start < values.length; start += valuesPerTurn) {
    if (start > 0) await letOthers();
    pieces.push(Array.from(values.subarray(start, start + valuesPerTurn), float32Json).join(","));
  }
  return `[${pieces.join(",")}]`;
}
