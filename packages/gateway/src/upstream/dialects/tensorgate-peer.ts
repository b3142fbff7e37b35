import { create, toBinary } from "@bufbuild/protobuf";
import {
  type CallContext,
  createWorkBudget,
  type DType,
  defaultSignatureName,
  NotSupportedError,
  ScoringError,
  type TensorInfo,
  UpstreamFailedError,
} from "@tensorgate/core";
import type { HeaderBlock } from "@tensorgate/grpc";
import {
  GetModelRequestSchema,
  GetModelResponseSchema,
  type TensorInfo as TensorInfoMessage,
} from "@tensorgate/proto/tensorgate/v1/catalog";
import {
  GetStatusRequestSchema,
  GetStatusResponseSchema,
} from "@tensorgate/proto/tensorgate/v1/status";
import { dataTypes } from "@tensorgate/tf-serving";
import { noteOf } from "../probe-note.ts";
import type { Replica } from "../replica.ts";
import { GrpcStatusError } from "../transport/failures.ts";
import type { UnaryCall, UnaryChannel, UnaryReply } from "../transport/unary-channel.ts";
import { controlCall, listedVersions, readControlReply } from "./control-reply.ts";
import type { ReplicaOptions, ServerDialect } from "./dialect.ts";
import { failureOfPeer } from "./peer-failure.ts";
import { peerPredictSegments, scoreResponseFromPeer } from "./peer-messages.ts";
import { forwardEncoded, readReply } from "./predict.ts";

/** The gateway of another region, which has its own queue and replicas. */
export const tensorgatePeer: ServerDialect = {
  title: "a gateway",
  isGateway: true,
  isDevice: false,
  hasVersions: true,
  namesModels: true,
  takesEncodedCalls: true,
  canReload: false,
  hasServices: false,
  isKeyBare: false,
  // A call stays in that region, and is not forwarded to another gateway.
  route: ({ region }) => ({ "x-tensorgate-hops": "1", "x-tensorgate-residency": region }),
  connect: peerReplica,
};

/** Returns the headers that pass on hints of the caller; the region is selected already. */
function hintHeaders({ noStore, hints }: CallContext): Readonly<Record<string, string>> {
  return {
    ...(noStore && { "cache-control": "no-store" }),
    ...(hints.priority && { "x-tensorgate-priority": hints.priority }),
  };
}

/** How long a reported wait is used, in milliseconds: no longer than until the next probe. */
const maxWaitAgeMs = 10_000;

/**
 * Speaks `tensorgate.v1` with the gateway of another region, so that one queue has all of that region's load.
 * Both gateways describe the model alike: tensors have the same names.
 */
function peerReplica(channel: UnaryChannel, { region, clock }: ReplicaOptions): Replica {
  /** By model. */
  const expectedWaits = new Map<string, { readonly ms: number; readonly reportedMs: number }>();

  function recordWait(model: string, ms: number): void {
    if (ms >= 0) expectedWaits.set(model, { ms, reportedMs: clock.nowMs() });
  }

  const waitOf = (headers: HeaderBlock) =>
    Number.parseFloat(String(headers["x-tensorgate-expected-wait-ms"]));

  async function ask(
    path: string,
    segments: readonly Uint8Array[],
    call: UnaryCall,
  ): Promise<UnaryReply> {
    const headers = hintHeaders(call);
    try {
      return await channel.unary(path, segments, { ...call, headers });
    } catch (thrown) {
      throw failureOfPeer(thrown);
    }
  }

  async function score(
    model: string,
    { path, segments }: { readonly path: string; readonly segments: readonly Uint8Array[] },
    call: CallContext,
  ): Promise<UnaryReply> {
    try {
      const reply = await ask(path, segments, call);
      recordWait(model, waitOf(reply.headers));
      return reply;
    } catch (thrown) {
      const { cause } = ScoringError.from(thrown);
      if (cause instanceof GrpcStatusError) recordWait(model, waitOf(cause.headers));
      throw thrown;
    }
  }

  async function describe(name: string, call: CallContext) {
    const request = toBinary(GetModelRequestSchema, create(GetModelRequestSchema, { name }));
    const reply = await ask("/tensorgate.v1.CatalogService/GetModel", [request], controlCall(call));
    return readControlReply(GetModelResponseSchema, reply).model;
  }

  /**
   * Returns whether a replica of its region is ready.
   *
   * @throws UpstreamFailedError if none is ready or loading
   */
  async function isReady(model: string, call: CallContext): Promise<boolean> {
    const request = toBinary(GetStatusRequestSchema, create(GetStatusRequestSchema));
    const reply = await ask("/tensorgate.v1.StatusService/GetStatus", [request], controlCall(call));
    const { status } = readControlReply(GetStatusResponseSchema, reply);
    const pool = status?.regions
      .find(({ name }) => name === region)
      ?.pools.find((each) => each.model === model);
    recordWait(model, pool?.expectedWaitMs ?? Number.NaN);
    const states = pool?.replicas.map(({ state }) => state) ?? [];
    // Gateways of earlier versions say "returning".
    const serving = ["ready", "half-open", "returning"];
    if (states.some((state) => serving.includes(state))) return true;
    if (states.includes("warming")) return false;
    throw new UpstreamFailedError("no replica of the gateway's region is available", {
      wasLost: true,
    });
  }

  return {
    roundTripMs: channel.roundTripMs,

    expectedWaitMs: (model) => {
      const wait = expectedWaits.get(model);
      return wait && clock.nowMs() - wait.reportedMs <= maxWaitAgeMs ? wait.ms : undefined;
    },

    score: async (request, call) => {
      const { encoded, modelSpec } = request;
      const { name } = modelSpec;
      if (encoded) {
        return forwardEncoded({ modelSpec, encoded }, (path, message) =>
          score(name, { path, segments: [message] }, call),
        );
      }
      const path = "/tensorgate.v1.ScoringService/Predict";
      const { message } = await score(name, { path, segments: peerPredictSegments(request) }, call);
      const response = readReply(() => {
        const budget = createWorkBudget(channel.replyLimits.maxElements);
        return scoreResponseFromPeer(message, request.modelSpec, budget);
      });
      request.verify?.(response.outputs);
      return response;
    },

    probe: async (name, call) => {
      const [model, isThere] = await Promise.all([describe(name, call), isReady(name, call)]);
      const listed = listedVersions(model?.versions ?? []);
      return {
        isReady: isThere,
        ...listed,
        ...(listed.versions.length > 1 && { areMixed: true }),
        // Its replicas may list none.
        ...(listed.versions.length === 0 && { hasUnknownVersions: true }),
        isSeeded: model?.weights === "seeded",
        ...(!isThere && { note: noteOf("every replica of the gateway's region is WARMING") }),
      };
    },

    modelStatus: async ({ name, version, versionLabel }, call) => {
      const versions = ((await describe(name, call))?.versions ?? []).filter(
        (each) => version === undefined || each === version,
      );
      if (versions.length === 0 || versionLabel !== undefined) {
        throw new NotSupportedError("the region's gateway does not report that version");
      }
      return {
        versions: versions.map((each) => ({
          version: each,
          state: "available",
          errorCode: 0,
          errorMessage: "",
        })),
      };
    },

    modelMetadata: async ({ name }, call) => {
      const model = await describe(name, call);
      const inputs = tensorInfos(model?.input?.tensors ?? []);
      const outputs = tensorInfos(model?.outputs ?? []);
      if (inputs.size === 0 || outputs.size === 0) {
        throw new NotSupportedError("the region's gateway does not report the model's tensors");
      }
      return {
        model: { name: "", version: 0n },
        signatures: new Map([[defaultSignatureName, { inputs, outputs }]]),
      };
    },
  };
}

/** Returns the tensors of known type; an empty shape stands for an unknown rank. */
function tensorInfos(
  infos: readonly Pick<TensorInfoMessage, "name" | "dtype" | "shape">[],
): ReadonlyMap<string, TensorInfo> {
  return new Map(
    infos
      .filter(({ dtype }) => Object.hasOwn(dataTypes, dtype))
      .map(({ name, dtype, shape }) => [
        name,
        { dtype: dtype as DType, shape: shape.length === 0 ? undefined : shape.map(Number) },
      ]),
  );
}
