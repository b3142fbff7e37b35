import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import type {
  CallContext,
  Classify,
  Detect,
  Embed,
  ModelSpec,
  PictureResponse,
  Score,
} from "@tensorgate/core";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { assertMayUse } from "../../access/authentication.ts";
import type { ReplyFacts } from "../reply-headers.ts";
import { throwIfOnlyPictureFailed } from "../rest/messages.ts";
import {
  classifyResult,
  detectResult,
  embedResult,
  modelSpecFrom,
  pictureFrom,
  selectionFrom,
} from "./messages.ts";
import { pictureStream } from "./picture-stream.ts";
import type { RunRpc } from "./rpc-call.ts";
import { tensorFromMessage, tensorMessage } from "./tensor-message.ts";

export interface ScoringRpcParts {
  readonly classify: Classify;
  readonly detect: Detect;
  readonly embed: Embed;
  readonly score: Score;
  readonly run: RunRpc;
}

/** `tensorgate.v1.ScoringService`, over Connect, gRPC and gRPC-Web. */
export function scoringRpc(router: ConnectRouter, parts: ScoringRpcParts): void {
  const classify = permitted(parts.classify);
  const detect = permitted(parts.detect);
  const embed = permitted(parts.embed);
  const score = permitted(parts.score);
  const { run } = parts;

  const service: ServiceImpl<typeof ScoringService> = {
    classify: (request, context) =>
      run(request, context, async (call) => {
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

    detect: (request, context) =>
      run(request, context, async (call) => {
        const response = await detect(
          {
            modelSpec: modelSpecFrom(request.modelSpec),
            pictures: request.pictures.map(pictureFrom),
            ...selectionFrom(request),
          },
          call,
        );
        throwIfOnlyPictureFailed(response.results);
        return {
          facts: factsOf(response),
          answer: { ...responseMessage(response), results: response.results.map(detectResult) },
        };
      }),

    embed: (request, context) =>
      run(request, context, async (call) => {
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
      run(request, context, async (call) => {
        const inputs = new Map(
          Object.entries(request.inputs).map(([name, tensor]) => [
            name,
            tensorFromMessage(name, tensor),
          ]),
        );
        const { model, region, outputs } = await score(
          {
            modelSpec: modelSpecFrom(request.modelSpec),
            inputs,
            outputFilter: request.outputFilter,
          },
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

    classifyStream: (requests, context) =>
      pictureStream(requests, context, {
        run,
        result: classifyResult,
        work: ({ of, topK, minScore }, call) =>
          classify(
            {
              ...of,
              ...(topK !== undefined && { topK }),
              ...(minScore !== undefined && { minScore }),
            },
            call,
          ),
      }),

    detectStream: (requests, context) =>
      pictureStream(requests, context, {
        run,
        result: detectResult,
        work: ({ of, ...request }, call) => detect({ ...of, ...selectionFrom(request) }, call),
      }),
  };
  router.service(ScoringService, service);
}

/** Does `work` only where the caller's key is for that model. */
function permitted<Request extends { readonly modelSpec: ModelSpec }, Answer>(
  work: (request: Request, call: CallContext) => Promise<Answer>,
): (request: Request, call: CallContext) => Promise<Answer> {
  return async (request, call) => {
    assertMayUse(call, request.modelSpec.name);
    return work(request, call);
  };
}

function factsOf({ model, region }: PictureResponse<unknown>): ReplyFacts {
  return { ...(model && { model }), ...(region !== undefined && { region }) };
}

function responseMessage({ model, region }: PictureResponse<unknown>) {
  return { ...(model && { model }), region: region ?? "" };
}
