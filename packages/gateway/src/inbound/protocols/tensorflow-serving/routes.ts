import {
  createWorkBudget,
  defaultSignatureName,
  type ModelSpec,
  ScoringError,
  type Signature,
} from "@tensorgate/core";
import {
  inputTypeNames,
  modelMetadataJson,
  modelSpecFromPath,
  modelStatusJson,
  predictAnswerJson,
  readExampleBody,
  readJsonBody,
  readPredictBody,
  servingErrors,
} from "@tensorgate/tf-serving";
import type { Exchange } from "../../server/exchange.ts";
import { resolvedBeforeBody } from "../call.ts";
import type { HttpAnswer, HttpRoute, RouteCall } from "../http-handler.ts";
import { inServingWords, scoreEncoded } from "../serving-call.ts";
import { tensorBytes, writtenAnswer } from "../written-answer.ts";
import { servingErrorBody } from "./errors.ts";
import {
  classifyTask,
  type ExampleTask,
  jsonAnswer,
  regressTask,
  servingPath,
} from "./messages.ts";

export interface ServingRoutesOptions {
  readonly maxBodyBytes: number;
}

/** TensorFlow Serving's REST API, to the letter. */
export function tensorflowServingRoutes({
  maxBodyBytes,
}: ServingRoutesOptions): readonly HttpRoute[] {
  /** A route for requests with one verb, which may be none. */
  const route = (
    method: "GET" | "POST",
    verb: "" | "metadata" | "predict" | "classify" | "regress",
    answer: (spec: ModelSpec, exchange: Exchange, routed: RouteCall) => Promise<HttpAnswer>,
  ): HttpRoute => ({
    method,
    path:
      method === "GET" ? `/v1/models/{model}${verb && `/${verb}`}` : `/v1/models/{model}:${verb}`,
    protocol: "tensorflow-serving-rest",
    match: (asked, target) => {
      const params = method === asked ? servingPath(asked, target) : undefined;
      if (!params) return undefined;
      // Metadata that is not written as it should be shows the status.
      const found = method === "GET" && params.verb !== "metadata" ? "" : params.verb;
      return found === verb ? params : undefined;
    },
    errorBody: servingErrorBody,
    answer: (exchange, routed) => {
      const { model = "", ...path } = routed.params;
      const spec = modelSpecFromPath({ model, ...path });
      // The original has no body for a version beyond int64 either.
      if (!spec) return { status: 400, ...jsonAnswer("") };
      return answer(spec, exchange, routed);
    },
  });

  async function bodyOf(exchange: Exchange): Promise<Uint8Array> {
    try {
      return await exchange.body(maxBodyBytes, bodyCopies);
    } catch (thrown) {
      // To the original gzip that cannot be unpacked is no body at all.
      const isBroken = ScoringError.is(thrown) && thrown.reason === "invalid-request";
      if (isBroken && exchange.header("content-encoding") !== undefined) return new Uint8Array();
      throw thrown;
    }
  }

  const examples = ({ method, request, answerJson }: ExampleTask) =>
    async function answer(spec: ModelSpec, exchange: Exchange, { call, tasks }: RouteCall) {
      const model = resolvedBeforeBody(spec, { call, tasks });
      const bytes = await bodyOf(exchange);
      return inServingWords(spec, async () => {
        const body = readJsonBody(bytes, createWorkBudget(maxElements));
        const modelSpec = { ...spec, signatureName: body.signatureName };
        const message = request(modelSpec, readExampleBody(body));
        const response = await scoreEncoded({ method, message }, { call, tasks, model });
        const answer = await writtenAnswer(
          answerJson(response.encoded),
          call,
          response.encoded.byteLength,
        );
        return { ...jsonAnswer(answer), ...infoOf(response) };
      });
    };

  return [
    route("GET", "", async (spec, _exchange, { call, tasks }) => {
      const status = await inServingWords(spec, () => tasks.modelStatus(spec, call), {
        model: servingErrors.noVersions,
        version: servingErrors.noVersion,
      });
      return jsonAnswer(modelStatusJson(status));
    }),

    route("GET", "metadata", async (spec, _exchange, { call, tasks }) =>
      jsonAnswer(
        modelMetadataJson(await inServingWords(spec, () => tasks.modelMetadata(spec, call))),
      ),
    ),

    route("POST", "predict", async (spec, exchange, { call, tasks }) => {
      const resolved = resolvedBeforeBody(spec, { call, tasks });
      const bytes = await bodyOf(exchange);
      return inServingWords(spec, async () => {
        const body = readJsonBody(bytes, createWorkBudget(maxElements));
        const { signatureName } = body;
        const model = resolved();
        const signatures = await model.signatures(spec, call);
        const signature = signatures.get(signatureName || defaultSignatureName);
        if (!signature) {
          throw servingErrors.unknownRestSignature(signatureName || defaultSignatureName);
        }
        const modelSpec = { ...spec, signatureName };
        const { format, inputs } = readPredictBody(
          body,
          inputTypeNames(signature),
          model.pictureInputs(modelSpec),
        );
        const request = { modelSpec, inputs, outputFilter: [], hasWireNames: true };
        const response = await model.score(request, call);
        const outputs = inOrder(response.outputs, signature);
        const answer = await writtenAnswer(
          predictAnswerJson(outputs, format),
          call,
          tensorBytes(outputs.values()),
        );
        return { ...jsonAnswer(answer), ...infoOf(response) };
      });
    }),

    route("POST", "classify", examples(classifyTask)),
    route("POST", "regress", examples(regressTask)),
  ];
}

/** Values of one body that are no regular arrays of numbers. */
const maxElements = 600_000;

/** How often a body is in memory: as text, as doubles, and as tensors. */
const bodyCopies = 4;

/** Outputs as the signature lists them, whatever the order in which a replica has them. */
function inOrder<Value>(outputs: ReadonlyMap<string, Value>, signature: Signature) {
  const listed = [...signature.outputs.keys()].filter((name) => outputs.has(name));
  const names = new Set([...listed, ...outputs.keys()]);
  return new Map([...names].map((name) => [name, outputs.get(name) as Value]));
}

function infoOf({ model, region }: { model: HttpAnswer["model"]; region?: string }) {
  return { ...(model && { model }), ...(region !== undefined && { region }) };
}
