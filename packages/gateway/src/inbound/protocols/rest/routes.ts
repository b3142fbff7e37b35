import {
  type Clock,
  type DetectRequest,
  InvalidRequestError,
  type ModelSpec,
  type PictureRequest,
} from "@tensorgate/core";
import { visibleModel, visibleModels } from "../../access/access.ts";
import type { Exchange } from "../../server/exchange.ts";
import type { HttpAnswer, HttpRoute, RouteCall } from "../http-handler.ts";
import { problemBody } from "./errors.ts";
import {
  boxesJson,
  featuresJson,
  jsonAnswer,
  labelsJson,
  modelJson,
  type PictureBodyLimits,
  pictureAnswer,
  picturesFromBody,
} from "./messages.ts";
import { assertParams, classifyParams, detectParams, pictureParams } from "./query-params.ts";

export interface RestRoutesOptions {
  readonly limits: PictureBodyLimits;
  readonly clock: Clock;
}

/** Our own REST API: a picture, several in a form, or base64 in JSON; and the catalog. */
export function restRoutes({ limits, clock }: RestRoutesOptions): readonly HttpRoute[] {
  async function read(
    exchange: Exchange,
    { call, params, tasks }: RouteCall,
    ownParams: readonly string[] = [],
  ) {
    const { query } = exchange;
    assertParams(query, [...pictureParams, ...ownParams]);
    const modelSpec = modelSpecFrom(params["model"] ?? "", query);
    // It asks for a region as the header does.
    const region = query.get("region");
    if (region) tasks.assertRegion(region, call);
    // An unknown model is refused before its picture is read.
    tasks.assertModel(modelSpec);
    const startedMs = clock.nowMs();
    const pictures = await picturesFromBody(exchange, limits);
    call.times.add("read", clock.nowMs() - startedMs);
    return {
      asked: { modelSpec, pictures },
      call: region ? { ...call, hints: { ...call.hints, region } } : call,
    };
  }

  return [
    {
      method: "POST",
      takesPut: true,
      path: "/v1/classify/{model}",
      errorBody: problemBody,
      answer: async (exchange, routed) => {
        const topK = numberParam(exchange.query, "topK");
        const minScore = numberParam(exchange.query, "minScore");
        const { asked, call } = await read(exchange, routed, classifyParams);
        const request = {
          ...asked,
          ...(topK !== undefined && { topK }),
          ...(minScore !== undefined && { minScore }),
        };
        return pictureAnswer(await routed.tasks.classify(request, call), labelsJson);
      },
    },
    {
      method: "POST",
      takesPut: true,
      path: "/v1/detect/{model}",
      errorBody: problemBody,
      answer: async (exchange, routed) => {
        const selection = selectionFrom(exchange.query);
        const { asked, call } = await read(exchange, routed, detectParams);
        const request = { ...asked, ...selection };
        return pictureAnswer(await routed.tasks.detect(request, call), boxesJson);
      },
    },
    {
      method: "POST",
      takesPut: true,
      path: "/v1/embed/{model}",
      errorBody: problemBody,
      answer: async (exchange, routed) => {
        const { asked, call } = await read(exchange, routed);
        return pictureAnswer(await routed.tasks.embed(asked, call), featuresJson);
      },
    },
    {
      method: "GET",
      path: "/v1/catalog",
      errorBody: problemBody,
      answer: (_exchange, { call, tasks }) =>
        tagged(jsonAnswer({ models: visibleModels(call, tasks.catalog).map(modelJson) })),
    },
    {
      method: "GET",
      path: "/v1/catalog/{model}",
      errorBody: problemBody,
      answer: (_exchange, { call, params, tasks }) => {
        const description = visibleModel(call, tasks.catalog, params["model"] ?? "");
        return tagged(jsonAnswer({ ...modelJson(description), labels: description.labels }));
      },
    },
  ];
}

/** The catalog is what the caller's key shows, until a reload. */
const tagged = (answer: HttpAnswer): HttpAnswer => ({
  ...answer,
  headers: { "cache-control": "private, no-cache" },
  isTagged: true,
});

function modelSpecFrom(model: string, query: URLSearchParams): ModelSpec {
  const version = query.get("version");
  const versionLabel = query.get("versionLabel");
  const signatureName = query.get("signature");
  const named = { name: model, ...(signatureName && { signatureName }) };
  if (version !== null && versionLabel !== null) {
    throw new InvalidRequestError("give version or versionLabel, not both", { field: "version" });
  }
  if (versionLabel !== null) return { ...named, versionLabel };
  if (version === null) return named;
  if (!/^\d{1,18}$/.test(version)) {
    throw new InvalidRequestError(`version must be a whole number, got "${version.slice(0, 40)}"`, {
      field: "version",
    });
  }
  return { ...named, version: BigInt(version) };
}

function selectionFrom(query: URLSearchParams): Omit<DetectRequest, keyof PictureRequest> {
  return Object.fromEntries(
    detectParams.flatMap((field) => {
      const value = numberParam(query, field);
      return value === undefined ? [] : [[field, value]];
    }),
  );
}

/** @throws InvalidRequestError if the parameter is there and not a number */
function numberParam(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidRequestError(`${name} must be a number, got "${text.slice(0, 40)}"`, {
    field: name,
  });
}
