import {
  type CallContext,
  type Clock,
  InvalidRequestError,
  type ModelSpec,
  type ModelTasks,
  type PictureRequest,
  type PictureResponse,
} from "@tensorgate/core";
import { visibleModel, visibleModels } from "../../access/access.ts";
import type { Exchange } from "../../server/exchange.ts";
import type { HttpAnswer, HttpRoute } from "../http-handler.ts";
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
  type ValueJson,
} from "./messages.ts";
import { assertParams, classifyParams, detectParams, pictureParams } from "./query-params.ts";

/** What a route for calls with pictures does with them. */
interface PictureTask<Value, Param extends string> {
  /** Parameters of its query beside those of all such routes. */
  readonly ownParams: readonly Param[];
  readonly ask: (
    model: ModelTasks,
    asked: PictureRequest & { readonly [Name in Param]?: number },
    call: CallContext,
  ) => Promise<PictureResponse<Value>>;
  readonly valueJson: ValueJson<Value>;
}

export interface RestRoutesOptions {
  readonly limits: PictureBodyLimits;
  readonly clock: Clock;
}

/** Our own REST API: a picture, several in a form, or base64 in JSON; and the catalog. */
export function restRoutes({ limits, clock }: RestRoutesOptions): readonly HttpRoute[] {
  /** A route for calls with pictures: what their path and query ask, then their body, and then what the model says. */
  function pictureRoute<Value, Param extends string>(
    task: "classify" | "detect" | "embed",
    { ownParams, ask, valueJson }: PictureTask<Value, Param>,
  ): HttpRoute {
    return {
      method: "POST",
      takesPut: true,
      path: `/v1/${task}/{model}`,
      errorBody: problemBody,
      answer: async (exchange, { call, params, tasks }) => {
        const { modelSpec, region, numbers } = askedBy(exchange, params["model"] ?? "", ownParams);
        // It asks for a region as the header does.
        if (region) tasks.assertRegion(region, call);
        // By the headers alone: a call of an unknown model, or of one without room, is rejected before its picture is read.
        const model = tasks.resolve(modelSpec, call);
        model.assertCapacity(call);
        const startedMs = clock.nowMs();
        const pictures = await picturesFromBody(exchange, limits);
        call.times.add("read", clock.nowMs() - startedMs);
        const regional = region ? { ...call, hints: { ...call.hints, region } } : call;
        const response = await ask(model, { ...numbers, modelSpec, pictures }, regional);
        return pictureAnswer(response, valueJson);
      },
    };
  }

  return [
    pictureRoute("classify", {
      ownParams: classifyParams,
      ask: ({ classify }, asked, call) => classify(asked, call),
      valueJson: labelsJson,
    }),
    pictureRoute("detect", {
      ownParams: detectParams,
      ask: ({ detect }, asked, call) => detect(asked, call),
      valueJson: boxesJson,
    }),
    pictureRoute("embed", {
      ownParams: [],
      ask: ({ embed }, asked, call) => embed(asked, call),
      valueJson: featuresJson,
    }),
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

/** What the path and the query of a call with pictures ask. */
interface Asked<Param extends string> {
  readonly modelSpec: ModelSpec;
  readonly region?: string | null;
  /** Those of the task's own parameters that are given. */
  readonly numbers: { readonly [Name in Param]?: number };
}

/** @throws InvalidRequestError for a parameter that is unknown, repeated, or not what it should be */
function askedBy<Param extends string>(
  exchange: Exchange,
  model: string,
  ownParams: readonly Param[],
): Asked<Param> {
  // Most calls have no query.
  if (exchange.target === exchange.path) return { modelSpec: { name: model }, numbers: {} };
  const { query } = exchange;
  assertParams(query, [...pictureParams, ...ownParams]);
  const numbers: { [Name in Param]?: number } = {};
  for (const name of ownParams) {
    const text = query.get(name);
    if (text !== null) numbers[name] = numberFrom(name, text);
  }
  return { modelSpec: modelSpecFrom(model, query), region: query.get("region"), numbers };
}

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

/** @throws InvalidRequestError if the text of a parameter is not a number */
function numberFrom(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidRequestError(`${name} must be a number, got "${text.slice(0, 40)}"`, {
    field: name,
  });
}
