import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import {
  type Classify,
  type Embed,
  InvalidRequestError,
  type ModelSpec,
  type Picture,
  type PictureResponse,
  type PictureResult,
  type Score,
  type ScoringError,
} from "@tensorgate/core";
import {
  type ClassifyResultSchema,
  type ModelSpec as ModelSpecMessage,
  type Picture as PictureMessage,
  ScoringService,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { classifyStream } from "./classify-stream.ts";
import { throwIfOnlyPictureFailed } from "./picture-body.ts";
import type { ReplyFacts } from "./reply-headers.ts";
import type { RunRpc } from "./rpc-call.ts";
import { tensorFromMessage, tensorMessage } from "./tensor-message.ts";

export interface ScoringRpcParts {
  readonly classify: Classify;
  readonly embed: Embed;
  readonly score: Score;
  readonly run: RunRpc;
}

/** `tensorgate.v1.ScoringService`, over Connect, gRPC and gRPC-Web. */
export function scoringRpc(router: ConnectRouter, parts: ScoringRpcParts): void {
  const { classify, embed, score, run } = parts;

  const service: ServiceImpl<typeof ScoringService> = {
    classify: (request, context) =>
      run(context, async (call) => {
        const response = await classify(
          {
            modelSpec: modelSpecFrom(request.modelSpec),
            pictures: request.pictures.map(pictureFrom),
            ...(request.topK !== undefined && { topK: request.topK }),
            ...(request.minScore !== undefined && { minScore: request.minScore }),
          },
          call,
        );
        throwIfOnlyPictureFailed(response.results);
        return {
          facts: factsOf(response),
          answer: { ...responseMessage(response), results: response.results.map(classifyResult) },
        };
      }),

    embed: (request, context) =>
      run(context, async (call) => {
        const response = await embed(
          {
            modelSpec: modelSpecFrom(request.modelSpec),
            pictures: request.pictures.map(pictureFrom),
          },
          call,
        );
        throwIfOnlyPictureFailed(response.results);
        return {
          facts: factsOf(response),
          answer: { ...responseMessage(response), results: response.results.map(embedResult) },
        };
      }),

    predict: (request, context) =>
      run(context, async (call) => {
        const inputs = new Map(
          Object.entries(request.inputs).map(([name, tensor]) => [
            name,
            tensorFromMessage(name, tensor),
          ]),
        );
        const { model, region, outputs } = await score(
          { modelSpec: modelSpecFrom(request.modelSpec), inputs, outputFilter: request.outputFilter },
          call,
        );
        return {
          facts: { model, ...(region !== undefined && { region }) },
          answer: {
            model,
            region: region ?? "",
            outputs: Object.fromEntries(
              [...outputs].map(([name, tensor]) => [name, tensorMessage(tensor)]),
            ),
          },
        };
      }),

    classifyStream: (requests, context) => classifyStream(requests, context, parts),
  };
  router.service(ScoringService, service);
}

function factsOf({ model, region }: PictureResponse<unknown>): ReplyFacts {
  return { ...(model && { model }), ...(region !== undefined && { region }) };
}

function responseMessage({ model, region }: PictureResponse<unknown>) {
  return { ...(model && { model }), region: region ?? "" };
}

/** @throws InvalidRequestError if there is no model spec */
export function modelSpecFrom(message: ModelSpecMessage | undefined): ModelSpec {
  if (!message) throw new InvalidRequestError("model_spec is missing", { field: "model_spec" });
  const { name, versionChoice, signatureName } = message;
  return {
    name,
    ...(versionChoice.case === "version" && { version: versionChoice.value }),
    ...(versionChoice.case === "versionLabel" && { versionLabel: versionChoice.value }),
    ...(signatureName !== "" && { signatureName }),
  };
}

/** @throws InvalidRequestError if the picture has no bytes */
export function pictureFrom({ id, source }: PictureMessage, index: number): Picture {
  if (source.case !== "data" || source.value.byteLength === 0) {
    throw new InvalidRequestError(`picture ${index} is empty`, { field: `pictures[${index}].data` });
  }
  return { bytes: source.value, ...(id !== "" && { id }) };
}

type ClassifyResultInit = MessageInitShape<typeof ClassifyResultSchema>;

export function classifyResult(
  result: PictureResult<readonly { index: number; label: string; score: number }[]>,
): ClassifyResultInit {
  const id = result.id ?? "";
  if (!result.ok) return { id, outcome: { case: "error", value: failureMessage(result.error) } };
  return { id, outcome: { case: "labels", value: { labels: [...result.value] } } };
}

function embedResult(result: PictureResult<Float32Array>) {
  const id = result.id ?? "";
  if (!result.ok) {
    return { id, outcome: { case: "error" as const, value: failureMessage(result.error) } };
  }
  return { id, outcome: { case: "features" as const, value: { values: [...result.value] } } };
}

function failureMessage({ reason, message, hint, field, retryAfterMs }: ScoringError) {
  return {
    reason,
    message,
    hint: hint ?? "",
    field: field ?? "",
    ...(retryAfterMs !== undefined && { retryAfterMs: BigInt(Math.ceil(retryAfterMs)) }),
  };
}
