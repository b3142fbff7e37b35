import type { HandlerContext } from "@connectrpc/connect";
import {
  type CallContext,
  type ModelSpec,
  type PictureRequest,
  type PictureResponse,
  ScoringError,
} from "@tensorgate/core";
import type {
  ModelSpec as ModelSpecMessage,
  Picture as PictureMessage,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { bytesOf } from "./reading/rpc-body.ts";
import { type RunRpc, startKey } from "./rpc-call.ts";
import { modelSpecFrom, pictureFrom } from "./scoring-messages.ts";
import { readableMessages } from "./unread-message.ts";

/** Pictures of one stream that are scored at the same time; more are read when one is answered. */
const maxInFlight = 8;

/** What a message of any stream of pictures has. */
interface StreamRequest {
  readonly modelSpec?: ModelSpecMessage | undefined;
  readonly picture?: PictureMessage | undefined;
}

/** One task on the pictures of a stream. */
export interface StreamTask<Request extends StreamRequest, Value, Result> {
  readonly run: RunRpc;
  readonly work: (
    request: Request & { readonly of: PictureRequest },
    call: CallContext,
  ) => Promise<PictureResponse<Value>>;
  readonly result: (result: PictureResponse<Value>["results"][number]) => Result;
}

interface StreamResponse<Result> {
  readonly result?: Result;
  readonly model?: { readonly name: string; readonly version: bigint };
  readonly region: string;
}

function pictureRequest(
  modelSpec: ModelSpec | undefined,
  { picture }: StreamRequest,
): PictureRequest {
  return {
    modelSpec: modelSpec ?? modelSpecFrom(undefined),
    pictures: picture ? [pictureFrom(picture, 0)] : [],
  };
}

/**
 * Answers each picture of a stream as soon as it is scored, in any order, tagged with its id.
 * Reads no further than it can score, so that a fast caller is held back by HTTP/2's windows.
 */
export async function* pictureStream<Request extends StreamRequest, Value, Result>(
  requests: AsyncIterable<Request>,
  context: HandlerContext,
  { work, result: resultFrom, run }: StreamTask<Request, Value, Result>,
): AsyncGenerator<StreamResponse<Result>> {
  let modelSpec: ModelSpec | undefined;
  const inFlight = new Set<Promise<Answered<Result>>>();

  function answer(request: Request, spec: ModelSpec | undefined): Promise<StreamResponse<Result>> {
    return run(request, context, async (call) => {
      const facts = {};
      try {
        const response = await work({ ...request, of: pictureRequest(spec, request) }, call);
        const [result] = response.results;
        return {
          facts,
          answer: {
            ...(response.model && { model: response.model }),
            region: response.region ?? "",
            ...(result && { result: resultFrom(result) }),
          },
        };
      } catch (thrown) {
        if (context.signal.aborted) throw thrown;
        const id = request.picture?.id ?? "";
        const failed = resultFrom({ id, ok: false, error: ScoringError.from(thrown) });
        return { facts, answer: { region: "", result: failed } };
      }
    });
  }

  const intake = context.values.get(startKey)?.intake;
  const iterator = readableMessages(requests);
  let coming: Promise<Arrived<Request>> | undefined = nextOf(iterator);

  while (coming || inFlight.size > 0) {
    const mayRead = coming && inFlight.size < maxInFlight;
    const event: Arrived<Request> | Answered<Result> = await Promise.race([
      ...inFlight,
      ...(mayRead && coming ? [coming] : []),
    ]);
    if (event.kind === "answered") {
      inFlight.delete(event.of());
      intake?.gave(event.byteCount);
      yield event.response;
    } else if (event.result.done) {
      coming = undefined;
    } else {
      const request = event.result.value;
      if (request.modelSpec) modelSpec = modelSpecFrom(request.modelSpec);
      const answered: Promise<Answered<Result>> = answer(request, modelSpec).then((response) => ({
        kind: "answered",
        response,
        byteCount: bytesOf(request),
        of: () => answered,
      }));
      inFlight.add(answered);
      coming = nextOf(iterator);
    }
  }
}

interface Arrived<Request> {
  readonly kind: "arrived";
  readonly result: IteratorResult<Request>;
}

interface Answered<Result> {
  readonly kind: "answered";
  readonly response: StreamResponse<Result>;
  /** Of the picture, which is let go. */
  readonly byteCount: number;
  /** The promise that resolved to this. */
  readonly of: () => Promise<Answered<Result>>;
}

async function nextOf<Request>(iterator: AsyncIterator<Request>): Promise<Arrived<Request>> {
  return { kind: "arrived", result: await iterator.next() };
}
