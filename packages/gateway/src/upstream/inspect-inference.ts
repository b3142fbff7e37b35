import { ScoringError, UnknownModelError, UpstreamAnsweredError } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import {
  GRPCInferenceService,
  ServerMetadataResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import {
  type Ask,
  type BackendCapabilities,
  type BackendRequest,
  backendKind,
  scoredBySignature,
} from "./backend-capabilities.ts";
import { controlCall, readControlReply } from "./dialects/control-reply.ts";
import { openInference } from "./dialects/open-inference.ts";
import type { Replica } from "./replica.ts";
import { repositoryIndex } from "./repository-index.ts";
import type { UnaryChannel } from "./transport/unary-channel.ts";

const methodPath = (method: string) => `/${GRPCInferenceService.typeName}/${method}`;

/** Most models of a server that are tried until one takes a picture. */
const maxTriedModels = 20;

export interface InferenceServer {
  readonly channel: UnaryChannel;
  readonly replica: Replica;
  readonly ask: Ask;
}

/**
 * Inspects a server of the Open Inference Protocol: finds a model that takes a picture, unless the request names one.
 *
 * @returns undefined if it is none
 * @throws UnknownModelError if it has none of the models
 */
export async function inspectInference(
  { channel, replica, ask }: InferenceServer,
  { models: wanted, dialect }: BackendRequest,
): Promise<BackendCapabilities | undefined> {
  let server: string;
  try {
    const reply = await ask((call) =>
      channel.unary(methodPath("ServerMetadata"), [], controlCall(call)),
    );
    const { name, version } = readControlReply(ServerMetadataResponseSchema, reply);
    server = [name, version].filter(Boolean).join(" ");
  } catch (thrown) {
    const isOther =
      thrown instanceof UpstreamAnsweredError && thrown.grpcCode === grpcCode.UNIMPLEMENTED;
    if (isOther && dialect === undefined) return undefined;
    throw thrown;
  }
  const index = await ask((call) => repositoryIndex(channel, call));
  // One name is what the user asked for; of several, those that the server has come first.
  const known = new Set(index ?? wanted);
  const names =
    wanted.length === 1
      ? wanted
      : [...new Set([...wanted.filter((name) => known.has(name)), ...known])];
  let first: BackendCapabilities | undefined;
  for (const model of names.slice(0, index ? maxTriedModels : names.length)) {
    const found = await inspected(model);
    if (found && !found.failure) return found;
    first ??= found;
  }
  if (first) return first;
  throw new UnknownModelError(
    wanted.length === 1
      ? `the server (${server}) has no model "${wanted[0]}", or it is not ready`
      : `the server (${server}) has none of the usual models`,
    {
      hint:
        index && index.length > 0
          ? `it has ${index.slice(0, 10).join(", ")}; set --model`
          : "it does not list its models; set --model",
    },
  );

  /** @returns undefined if the model is not there, or not ready */
  async function inspected(model: string): Promise<BackendCapabilities | undefined> {
    try {
      const { isReady, versions } = await ask((call) => replica.probe(model, call));
      if (!isReady) return undefined;
      const found = { ...backendKind(openInference), model, versions, isSeeded: false };
      const { signatureName: _, ...scored } = await scoredBySignature(replica, ask, found);
      return { ...scored, server };
    } catch (thrown) {
      if (!(thrown instanceof UpstreamAnsweredError)) throw ScoringError.from(thrown);
      return undefined;
    }
  }
}
