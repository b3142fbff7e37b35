import { setImmediate as nextLoopTurn } from "node:timers/promises";
import type {
  Detections,
  LabelScore,
  ModelDescription,
  PictureResponse,
  PictureResult,
  Rectangle,
} from "@tensorgate/core";
import type { HttpAnswer } from "../http-route.ts";
import { throwIfOnlyPictureFailed } from "../wire-status.ts";
import { problemDetails } from "./errors.ts";
import { float32ArrayJson, float32Json } from "./float32-json.ts";

/** What a task found on one picture, as the members of a JSON object. */
type ValueJson<Value> = (value: Value) => string | Promise<string>;

export async function pictureAnswer<Value>(
  response: PictureResponse<Value>,
  valueJson: ValueJson<Value>,
): Promise<HttpAnswer> {
  throwIfOnlyPictureFailed(response.results);
  const { model, region, results } = response;
  const texts: string[] = [];
  for (const result of results) {
    // Sixty-four pictures with a thousand boxes each are not written in one go.
    if (texts.length > 0 && (texts.at(-1)?.length ?? 0) > charactersPerTurn) await nextLoopTurn();
    texts.push(await resultJson(result, valueJson));
  }
  const members = [
    ...(model
      ? [`"model":{"name":${JSON.stringify(model.name)},"version":"${model.version}"}`]
      : []),
    ...(region === undefined ? [] : [`"region":${JSON.stringify(region)}`]),
    `"results":[${texts.join(",")}]`,
  ];
  return {
    contentType: "application/json",
    body: `{${members.join(",")}}\n`,
    ...(model && { model }),
    ...(region !== undefined && { region }),
  };
}

/** Text of one picture after which other work has its turn on the event loop: a millisecond's worth. */
const charactersPerTurn = 16_384;

async function resultJson<Value>(
  result: PictureResult<Value>,
  valueJson: ValueJson<Value>,
): Promise<string> {
  const id = result.id === undefined ? "" : `"id":${JSON.stringify(result.id)},`;
  const outcome = result.ok
    ? await valueJson(result.value)
    : `"error":${JSON.stringify(problemDetails(result.error))}`;
  return `{${id}${outcome}}`;
}

export function labelsJson(labels: readonly LabelScore[]): string {
  const items = labels.map((each) => `{${labelMembers(each)}}`);
  return `"labels":[${items.join(",")}]`;
}

export function boxesJson({ boxes, image }: Detections): string {
  const items = boxes.map(
    ({ box, normalized, ...label }) =>
      `{${labelMembers(label)},"box":${rectangleJson(box)},"normalized":${rectangleJson(normalized)}}`,
  );
  return `"boxes":[${items.join(",")}],"image":{"width":${image.width},"height":${image.height}}`;
}

function rectangleJson({ x, y, width, height }: Rectangle): string {
  return `{"x":${float32Json(x)},"y":${float32Json(y)},"width":${float32Json(width)},"height":${float32Json(height)}}`;
}

function labelMembers({ index, label, score }: LabelScore): string {
  return `"index":${index},"label":${JSON.stringify(label)},"score":${float32Json(score)}`;
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
