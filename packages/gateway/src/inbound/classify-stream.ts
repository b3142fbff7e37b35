import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { type Classify, type ModelSpec, ScoringError } from "@tensorgate/core";
import type {
  ClassifyStreamRequest,
  ClassifyStreamResponseSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { bytesOf } from "./reading/rpc-body.ts";
import { type RunRpc, startKey } from "./rpc-call.ts";
import { classifyResult, modelSpecFrom, pictureFrom } from "./scoring-messages.ts";
import { readableMessages } from "./unread-message.ts";

type StreamResponse = MessageInitShape<typeof ClassifyStreamResponseSchema>;

/** Pictures of one stream that are scored at the same time; more are read when one is answered. */
const maxInFlight = 8;

/**
 * Answers each picture of a stream as soon as it is scored, in any order, tagged with its id.
 * Reads no further than it can score, so that a fast caller is held back by HTTP/2's windows.
 */
export async function* classifyStream(
  requests: AsyncIterable<ClassifyStreamRequest>,
  context: HandlerContext,
  { classify, run }: { readonly classify: Classify; readonly run: RunRpc },
): AsyncGenerator<StreamResponse> {
  let modelSpec: ModelSpec | undefined;
  const inFlight = new Set<Promise<Answered>>();

  function answer(
    request: ClassifyStreamRequest,
    spec: ModelSpec | undefined,
  ): Promise<StreamResponse> {
    return run(request, context, async (call) => {
      const id = request.picture?.id ?? "";
      const facts = {};
      try {
        const pictures = request.picture ? [pictureFrom(request.picture, 0)] : [];
        const response = await classify(
          {
            modelSpec: spec ?? modelSpecFrom(undefined),
            pictures,
            ...(request.topK !== undefined && { topK: request.topK }),
            ...(request.minScore !== undefined && { minScore: request.minScore }),
          },
          call,
        );
        const [result] = response.results;
        return {
          facts,
          answer: {
            ...(response.model && { model: response.model }),
            region: response.region ?? "",
            ...(result && { result: classifyResult(result) }),
          },
        };
      } catch (thrown) {
        if (context.signal.aborted) throw thrown;
        const failed = classifyResult({ id, ok: false, error: ScoringError.from(thrown) });
        return { facts, answer: { region: "", result: failed } };
      }
    });
  }

  const intake = context.values.get(startKey)?.intake;
  const iterator = readableMessages(requests);
  let coming: Promise<Arrived> | undefined = nextOf(iterator);

  while (coming || inFlight.size > 0) {
    const mayRead = coming && inFlight.size < maxInFlight;
    const event: Arrived | Answered = await Promise.race([
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
      const answered: Promise<Answered> = answer(request, modelSpec).then((response) => ({
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

interface Arrived {
  readonly kind: "arrived";
  readonly result: IteratorResult<ClassifyStreamRequest>;
}

interface Answered {
  readonly kind: "answered";
  readonly response: StreamResponse;
  /** Of the picture, which is let go. */
  readonly byteCount: number;
  /** The promise that resolved to this. */
  readonly of: () => Promise<Answered>;
}

async function nextOf(iterator: AsyncIterator<ClassifyStreamRequest>): Promise<Arrived> {
  return { kind: "arrived", result: await iterator.next() };
}
