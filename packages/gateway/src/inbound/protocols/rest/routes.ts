import { setImmediate as nextLoopTurn } from "node:timers/promises";
import {
  type CallContext,
  type Classify,
  type Clock,
  type Detect,
  type Detections,
  type DetectRequest,
  type Embed,
  InvalidRequestError,
  type LabelScore,
  type ModelSpec,
  type PictureRequest,
  type PictureResponse,
  type PictureResult,
  type Rectangle,
} from "@tensorgate/core";
import type { Exchange } from "../../server/exchange.ts";
import { numberParam } from "../http-handler.ts";
import type { PathParams, RestAnswer, RestRoute } from "../http-route.ts";
import { stopwatch } from "../reply-headers.ts";
import { problemDetails, problemReply } from "./errors.ts";
import { float32ArrayJson, float32Json } from "./float32-json.ts";
import { type PictureBodyLimits, picturesFromBody, throwIfOnlyPictureFailed } from "./messages.ts";

export interface PicturesRestParts {
  readonly classify: Classify;
  readonly detect: Detect;
  readonly embed: Embed;
  readonly limits: PictureBodyLimits;
  readonly clock: Clock;
}

/** `POST /v1/classify/{model}`, `/v1/detect/{model}` and `/v1/embed/{model}`: a picture, several in a form, or base64 in JSON. */
export function picturesRest({
  classify,
  detect,
  embed,
  limits,
  clock,
}: PicturesRestParts): readonly RestRoute[] {
  async function read(
    exchange: Exchange,
    { model = "" }: PathParams,
    call: CallContext,
  ): Promise<PictureRequest> {
    const modelSpec = modelSpecFrom(model, exchange.query);
    const elapsedMs = stopwatch(clock);
    const pictures = await picturesFromBody(exchange, limits);
    call.times.add("read", elapsedMs());
    return { modelSpec, pictures };
  }

  return [
    {
      method: "POST",
      path: "/v1/classify/{model}",
      errorReply: problemReply,
      answer: async (exchange, params, call) => {
        const topK = numberParam(exchange.query, "topK");
        const minScore = numberParam(exchange.query, "minScore");
        const request = await read(exchange, params, wishing(call, exchange));
        const response = await classify(
          {
            ...request,
            ...(topK !== undefined && { topK }),
            ...(minScore !== undefined && { minScore }),
          },
          wishing(call, exchange),
        );
        return answerFrom(response, labelsJson);
      },
    },
    {
      method: "POST",
      path: "/v1/detect/{model}",
      errorReply: problemReply,
      answer: async (exchange, params, call) => {
        const selection = selectionFrom(exchange.query);
        const request = await read(exchange, params, call);
        const response = await detect({ ...request, ...selection }, wishing(call, exchange));
        return answerFrom(response, boxesJson);
      },
    },
    {
      method: "POST",
      path: "/v1/embed/{model}",
      errorReply: problemReply,
      answer: async (exchange, params, call) => {
        const request = await read(exchange, params, call);
        return answerFrom(await embed(request, wishing(call, exchange)), featuresJson);
      },
    },
  ];
}

/** `?region=` wishes as the header does. */
function wishing(call: CallContext, { query }: Exchange): CallContext {
  const region = query.get("region");
  return region ? { ...call, wishes: { ...call.wishes, region } } : call;
}

function modelSpecFrom(name: string, query: URLSearchParams): ModelSpec {
  const version = query.get("version");
  const versionLabel = query.get("versionLabel");
  if (version !== null && versionLabel !== null) {
    throw new InvalidRequestError("give version or versionLabel, not both", { field: "version" });
  }
  if (versionLabel !== null) return { name, versionLabel };
  if (version === null) return { name };
  if (!/^\d{1,18}$/.test(version)) {
    throw new InvalidRequestError(`version must be a whole number, got "${version.slice(0, 40)}"`, {
      field: "version",
    });
  }
  return { name, version: BigInt(version) };
}

/** What a task found on one picture, as the members of a JSON object. */
type ValueJson<Value> = (value: Value) => string | Promise<string>;

async function answerFrom<Value>(
  response: PictureResponse<Value>,
  valueJson: ValueJson<Value>,
): Promise<RestAnswer> {
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

function labelsJson(labels: readonly LabelScore[]): string {
  const items = labels.map((each) => `{${labelMembers(each)}}`);
  return `"labels":[${items.join(",")}]`;
}

const selectionFields = ["minScore", "iouThreshold", "maxCandidates", "maxDetections"] as const;

function selectionFrom(query: URLSearchParams): Omit<DetectRequest, keyof PictureRequest> {
  return Object.fromEntries(
    selectionFields.flatMap((field) => {
      const value = numberParam(query, field);
      return value === undefined ? [] : [[field, value]];
    }),
  );
}

function boxesJson({ boxes, image }: Detections): string {
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

async function featuresJson(features: Float32Array): Promise<string> {
  return `"features":${await float32ArrayJson(features)}`;
}
