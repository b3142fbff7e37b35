import type { ConnectRouter } from "@connectrpc/connect";
import {
  type Duration,
  type GatewayStatus,
  type ModelStatistics,
  type Readiness,
  ScoringError,
} from "@tensorgate/core";
import { DataType, GRPCInferenceService } from "@tensorgate/proto/inference/open_inference";
import {
  describedModel,
  modelSpecOf,
  type TensorMetadata,
  versionTexts,
} from "../../described-model.ts";
import {
  assertModelReady,
  countedModels,
  modelIndex,
  platform,
  serverMetadata,
} from "../../inference-server.ts";
import type { RpcRunner } from "../connect/call.ts";

export interface InferenceRoutesDeps {
  readonly rpc: RpcRunner;
  readonly version: string;
  readonly readiness: () => Readiness;
  readonly status: () => GatewayStatus;
  readonly statistics: ModelStatistics;
}

const serviceName = GRPCInferenceService.typeName;

/** Methods that say how the server is, which need no key. */
const serverMethods: readonly string[] = ["ServerLive", "ServerReady", "ServerMetadata"];

/** Whether a path is that of a method that needs no key. */
export function isServerMethod(path: string): boolean {
  return serverMethods.some((method) => path === `/${serviceName}/${method}`);
}

/** What clients of Triton may call, and a gateway does not have. */
const refusals: readonly { readonly method: RegExp; readonly because: string }[] = [
  {
    method: /^RepositoryModel(Load|Unload)$/,
    because:
      "models are not loaded or unloaded through the gateway; change the models of the servers behind it, or its configuration",
  },
  {
    method: /^(System|Cuda)SharedMemory(Status|Register|Unregister)$/,
    because: "the gateway has no shared memory with its callers; send the values in the request",
  },
  {
    method: /^(TraceSetting|LogSettings)$/,
    because: "settings of traces and logs cannot be read or changed by callers",
  },
];

/** Why a method of the protocol is not there; undefined for any other path. */
export function refusalOf(path: string): string | undefined {
  const [, service, method = ""] = path.split("/");
  if (service !== serviceName) return undefined;
  return refusals.find((refusal) => refusal.method.test(method))?.because;
}

/** The methods of `inference.GRPCInferenceService` that do not score. */
export function addInferenceRoutes(router: ConnectRouter, deps: InferenceRoutesDeps): void {
  const { method } = GRPCInferenceService;
  const {
    rpc: { run },
    version,
    readiness,
    status,
    statistics,
  } = deps;
  router.rpc(method.serverLive, () => ({ live: true }));
  router.rpc(method.serverReady, () => ({ ready: readiness().isReady }));
  router.rpc(method.serverMetadata, () => {
    const { extensions, ...server } = serverMetadata(version);
    return { ...server, extensions: [...extensions] };
  });

  router.rpc(method.modelReady, (request, context) =>
    run<{ ready: boolean }>(request, context, async (call, tasks) => {
      try {
        const modelSpec = modelSpecOf(request.name, request.version);
        await assertModelReady(modelSpec, { call, tasks, status });
        return { message: { ready: true } };
      } catch (thrown) {
        // To clients a model that is not there is one that is not ready, rather than an error.
        if (ScoringError.is(thrown) && isUnready(thrown)) return { message: { ready: false } };
        throw thrown;
      }
    }),
  );

  router.rpc(method.modelMetadata, (request, context) =>
    run(request, context, async (call, tasks) => {
      const modelSpec = modelSpecOf(request.name, request.version);
      const { description, inputs, outputs } = await describedModel(modelSpec, { call, tasks });
      return {
        message: {
          name: description.name,
          versions: [...versionTexts(description)],
          platform,
          inputs: inputs.map(metadataMessage),
          outputs: outputs.map(metadataMessage),
        },
      };
    }),
  );

  router.rpc(method.modelConfig, (request, context) =>
    run(request, context, async (call, tasks) => {
      const modelSpec = modelSpecOf(request.name, request.version);
      const { description, inputs, outputs } = await describedModel(modelSpec, { call, tasks });
      const config = {
        name: description.name,
        platform,
        input: inputs.map(configMessage),
        output: outputs.map(configMessage),
      };
      return { message: { config } };
    }),
  );

  router.rpc(method.modelStatistics, (request, context) =>
    run(request, context, async (call, tasks) => {
      const modelSpec = request.name ? modelSpecOf(request.name, request.version) : undefined;
      const counted = await countedModels(modelSpec, { call, tasks, statistics });
      const modelStats = counted.map(({ counts, ...model }) => ({
        ...model,
        inferenceCount: BigInt(counts.success.count),
        executionCount: BigInt(counts.computeInfer.count),
        inferenceStats: {
          success: durationMessage(counts.success),
          fail: durationMessage(counts.fail),
          queue: durationMessage(counts.queue),
          computeInput: durationMessage(counts.computeInput),
          computeInfer: durationMessage(counts.computeInfer),
          computeOutput: durationMessage(counts.computeOutput),
          cacheHit: durationMessage(counts.cacheHit),
          cacheMiss: durationMessage(counts.cacheMiss),
        },
      }));
      return { message: { modelStats } };
    }),
  );

  router.rpc(method.repositoryIndex, (request, context) =>
    run(request, context, async (call, tasks) => ({
      message: { models: [...modelIndex(request.ready, { call, tasks, status })] },
    })),
  );
}

function isUnready({ reason }: ScoringError): boolean {
  return (
    reason === "model-not-ready" ||
    reason === "no-replica" ||
    reason === "unknown-model" ||
    reason === "unknown-version"
  );
}

function metadataMessage({ name, datatype, shape }: TensorMetadata) {
  return { name, datatype: String(datatype), shape: shape.map(BigInt) };
}

function configMessage({ name, datatype, shape }: TensorMetadata) {
  const dataType = datatype === "BYTES" ? DataType.TYPE_STRING : DataType[`TYPE_${datatype}`];
  return { name, dataType, dims: shape.map(BigInt) };
}

function durationMessage({ count, ms }: Duration) {
  return { count: BigInt(count), ns: BigInt(Math.round(ms * 1e6)) };
}
