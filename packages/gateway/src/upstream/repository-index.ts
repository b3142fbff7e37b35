import { create, toBinary } from "@bufbuild/protobuf";
import { type CallContext, listedNames, UpstreamAnsweredError } from "@tensorgate/core";
import {
  RepositoryIndexRequestSchema,
  RepositoryIndexResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import { controlCall, readControlReply } from "./dialects/control-reply.ts";
import type { UnaryChannel } from "./transport/unary-channel.ts";

/** Returns what to do where none of the names that were tried is a model of a server. */
export async function hintOfModels(channel: UnaryChannel, call: CallContext): Promise<string> {
  const listed = await repositoryIndex(channel, call);
  return listed
    ? `set --model; it has ${listedNames(listed.map((name) => `"${name}"`))}`
    : "TensorFlow Serving does not list its models; set --model";
}

/**
 * Lists the models of a server that can be scored, by the index of the Open Inference Protocol; our own model server has it too.
 *
 * @returns undefined if it has none
 */
export async function repositoryIndex(
  channel: UnaryChannel,
  call: CallContext,
): Promise<readonly string[] | undefined> {
  const request = create(RepositoryIndexRequestSchema, { ready: true });
  try {
    const reply = await channel.unary(
      "/inference.GRPCInferenceService/RepositoryIndex",
      [toBinary(RepositoryIndexRequestSchema, request)],
      controlCall(call),
    );
    const { models } = readControlReply(RepositoryIndexResponseSchema, reply);
    return [...new Set(models.map(({ name }) => name))];
  } catch (thrown) {
    if (thrown instanceof UpstreamAnsweredError) return undefined;
    throw thrown;
  }
}
