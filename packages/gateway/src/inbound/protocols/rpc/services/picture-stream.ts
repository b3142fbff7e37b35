import type { HandlerContext } from "@connectrpc/connect";
import type { Tasks } from "@tensorgate/core";
import {
  type CallContext,
  InvalidRequestError,
  type ModelSpec,
  type PictureRequest,
  type PictureResponse,
  ScoringError,
  scoreAll,
} from "@tensorgate/core";
import type {
  ModelSpec as ModelSpecMessage,
  Picture as PictureMessage,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { heldMessage, type RunRpc, rpcKey } from "../connect/call.ts";
import { connectErrorFrom, reasonOfAbort } from "../errors.ts";
import { modelSpecFrom, pictureFrom } from "../messages.ts";

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
    running: { readonly call: CallContext; readonly tasks: Tasks },
  ) => Promise<PictureResponse<Value>>;
  readonly result: (result: PictureResponse<Value>["results"][number]) => Result;
}

interface StreamResponse<Result> {
  readonly result?: Result;
  readonly model?: { readonly name: string; readonly version: bigint };
  readonly region: string;
}

/**
 * Answers each picture of a stream as soon as it is scored, in any order, tagged with its id.
 * Reads no further than it can score, so that a fast caller is held back by HTTP/2's windows.
 *
 * A message that cannot be read, or that has no picture, ends the stream with the caller's error, and aborts the
 * pictures that are being scored.
 */
export async function* pictureStream<Request extends StreamRequest, Value, Result>(
  requests: AsyncIterable<Request>,
  context: HandlerContext,
  { work, result: resultFrom, run }: StreamTask<Request, Value, Result>,
): AsyncGenerator<StreamResponse<Result>> {
  const { signal } = context;
  let modelSpec: ModelSpec | undefined;

  async function answer(request: Request): Promise<StreamResponse<Result>> {
    using _message = heldMessage(context);
    if (request.modelSpec) modelSpec = modelSpecFrom(request.modelSpec);
    const spec = modelSpec;
    return await run(request, context, async (call, tasks) => {
      if (!request.picture) throw new InvalidRequestError("the message has no picture");
      try {
        const of = {
          modelSpec: spec ?? modelSpecFrom(undefined),
          pictures: [pictureFrom(request.picture, 0)],
        };
        const { model, region = "", results } = await work({ ...request, of }, { call, tasks });
        const [result] = results;
        return {
          message: {
            ...(model && { model }),
            region,
            ...(result && { result: resultFrom(result) }),
          },
        };
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        const { id } = request.picture;
        const error = ScoringError.from(thrown);
        return { message: { region: "", result: resultFrom({ id, ok: false, error }) } };
      }
    });
  }

  for await (const outcome of scoreAll(requests, { concurrency: maxInFlight, signal }, answer)) {
    if (!outcome.ok) throw outcome.error;
    yield outcome.value;
  }
  if (!signal.aborted) return;
  const { incoming } = context.values.get(rpcKey);
  throw connectErrorFrom(reasonOfAbort(signal.reason), incoming.requestId);
}
