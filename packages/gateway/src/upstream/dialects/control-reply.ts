import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { anyIs } from "@bufbuild/protobuf/wkt";
import { type CallContext, createWorkBudget, type WorkBudget } from "@tensorgate/core";
import {
  type GetModelMetadataResponse,
  GetModelMetadataResponseSchema,
  SignatureDefMapSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { chargeMessage } from "@tensorgate/tf-serving";
import type { UnaryCall, UnaryReply } from "../transport/unary-channel.ts";
import { readReply } from "./predict.ts";

/** Longest reply, in bytes, to a control call: the status of thousands of replicas takes no more. */
const maxControlBytes = 1_048_576;

/** Most elements of such a reply. */
const maxControlElements = 32_768;

/** Creates a control call: one that scores nothing, so that how long it takes tells how far away the server is. */
export function controlCall(call: CallContext): UnaryCall {
  return { ...call, maxReplyBytes: maxControlBytes, isMeasured: true };
}

/** Reads the reply to a control call. @throws UpstreamFailedError if it has too many elements, or is invalid */
export function readControlReply<Desc extends DescMessage>(
  schema: Desc,
  { message }: UnaryReply,
  budget: WorkBudget = createWorkBudget(maxControlElements),
): MessageShape<Desc> {
  return readReply(() => {
    chargeMessage(schema, message, budget);
    return fromBinary(schema, message, { readUnknownFields: false });
  });
}

/** Reads the reply of `GetModelMetadata`. @throws UpstreamFailedError if it, or a signature in it, has too many elements */
export function readMetadataReply(reply: UnaryReply): GetModelMetadataResponse {
  const budget = createWorkBudget(maxControlElements);
  const response = readControlReply(GetModelMetadataResponseSchema, reply, budget);
  readReply(() => {
    for (const packed of Object.values(response.metadata)) {
      if (anyIs(packed, SignatureDefMapSchema)) {
        chargeMessage(SignatureDefMapSchema, packed.value, budget);
      }
    }
  });
  return response;
}

/** Maximum versions of a model of one replica: servers hold one or two at a time. */
const maxVersions = 100;

/** Returns the versions that a replica lists; of a very long list the highest ones. A call may name others too. */
export function listedVersions(all: readonly bigint[]): ListedVersions {
  const versions = [...new Set(all)];
  if (versions.length <= maxVersions) return { versions };
  const highest = versions.toSorted((a, b) => (a > b ? -1 : 1)).slice(0, maxVersions);
  return { versions: highest, hasUnknownVersions: true };
}

interface ListedVersions {
  readonly versions: readonly bigint[];
  readonly hasUnknownVersions?: boolean;
}
