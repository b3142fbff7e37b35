import type {
  CallOptions,
  ClassifyOptions,
  DetectOptions,
  ResponseMeta,
  WithMeta,
} from "@tensorgate/client-core";
import {
  checkedNumbers,
  foreignAnswerError,
  versionChoice,
  withListJson,
  withMeta,
} from "@tensorgate/client-core";
import type { Detections, LabelScore } from "@tensorgate/core";
import type { Connection } from "./connection.ts";
import { inputSizeOf } from "./models.ts";
import type { PictureOptions } from "./options.ts";
import type { PictureInput } from "./picture/picture-input.ts";
import { type Upload, uploadFrom } from "./picture/upload.ts";

interface PictureCall<Result> {
  readonly connection: Connection;
  readonly method: "classify" | "detect" | "embed";
  readonly model: string;
  readonly picture: PictureInput;
  readonly options: CallOptions & PictureOptions;
  readonly query?: Readonly<Record<string, number | undefined>>;
  /** Name of the list in a result. */
  readonly holds: keyof Result & string;
}

interface Scored<Result> {
  readonly result: Result;
  readonly upload: Upload;
  readonly meta: ResponseMeta;
}

async function scorePicture<Result>(call: PictureCall<Result>): Promise<Scored<Result>> {
  const { connection, method, model, picture, options, query = {}, holds } = call;
  let upload: Upload | undefined;
  const { message, meta } = await connection.call({
    method,
    model,
    options,
    path: `/v1/${method}/${encodeURIComponent(model)}`,
    query: () => ({ ...checkedNumbers(query), ...versionChoice(options) }),
    body: async () => {
      upload = await uploadFrom(picture, {
        fit: options.fit ?? connection.fit,
        fitter: connection.fitter,
        modelSize: () => inputSizeOf(connection, model),
      });
      return { data: upload.blob, contentType: upload.contentType };
    },
    read: (text) => {
      const { results } = JSON.parse(text) as { results: readonly Result[] };
      const [result] = results;
      if (!Array.isArray(result?.[holds])) throw new RangeError(`it has no ${holds}`);
      return result;
    },
  });
  if (!upload) throw foreignAnswerError(200, { text: "no picture was sent" });
  const { blob, savedBytes } = upload;
  return { result: message, upload, meta: { ...meta, upload: { bytes: blob.size, savedBytes } } };
}

/** Returns the labels of a picture, best first. @throws ClientError */
export async function classify<Label extends string = string>(
  connection: Connection,
  model: string,
  picture: PictureInput,
  options: ClassifyOptions & PictureOptions = {},
): Promise<WithMeta<readonly LabelScore<Label>[]>> {
  const { topK, minScore } = options;
  const { result, meta } = await scorePicture<{ labels: readonly LabelScore<Label>[] }>({
    connection,
    method: "classify",
    model,
    picture,
    options,
    query: { topK, minScore },
    holds: "labels",
  });
  return withMeta(result.labels, meta);
}

/** Detects objects; returns boxes, best first, in pixels of the upright picture as given. @throws ClientError */
export async function detect<Label extends string = string>(
  connection: Connection,
  model: string,
  picture: PictureInput,
  options: DetectOptions & PictureOptions = {},
): Promise<WithMeta<Detections<Label>>> {
  const { minScore, iouThreshold, maxCandidates, maxDetections } = options;
  const { result, upload, meta } = await scorePicture<Detections<Label>>({
    connection,
    method: "detect",
    model,
    picture,
    options,
    holds: "boxes",
    query: { minScore, iouThreshold, maxCandidates, maxDetections },
  });
  const { boxes, image } = inSourcePixels(result, upload.source);
  return withMeta({ boxes, image }, meta);
}

/** Returns the features of a picture. @throws ClientError */
export async function embed(
  connection: Connection,
  model: string,
  picture: PictureInput,
  options: CallOptions & PictureOptions = {},
): Promise<WithMeta<Float32Array>> {
  const { result, meta } = await scorePicture<{ features: readonly number[] }>({
    connection,
    method: "embed",
    model,
    picture,
    options,
    holds: "features",
  });
  return withMeta(withListJson(Float32Array.from(result.features)), meta);
}

/** Converts boxes from pixels of the sent picture to pixels of the given one. */
function inSourcePixels<Label extends string>(
  found: Detections<Label>,
  source: Upload["source"],
): Detections<Label> {
  if (!source) return found;
  const { width, height } = source;
  return {
    image: { width, height },
    boxes: found.boxes.map((each) => ({
      ...each,
      box: {
        x: each.normalized.x * width,
        y: each.normalized.y * height,
        width: each.normalized.width * width,
        height: each.normalized.height * height,
      },
    })),
  };
}
