import {
  type Clock,
  type GatewayStatus,
  type ModelStatistics,
  NoReplicaError,
  NotSupportedError,
  type Readiness,
} from "@tensorgate/core";
import { visibleModels } from "../../access/access.ts";
import { resolvedBeforeBody } from "../call.ts";
import { type DescribedModel, describedModel, modelSpecOf } from "../described-model.ts";
import type { HttpRoute } from "../http-handler.ts";
import { runInference } from "../inference-call.ts";
import {
  assertModelReady,
  countedModels,
  modelIndex,
  serverMetadata,
} from "../inference-server.ts";
import { inferenceErrorBody } from "./errors.ts";
import {
  configJson,
  inferAnswer,
  jsonBody,
  metadataJson,
  readIndexRequest,
  readInferRequest,
  statisticsJson,
} from "./messages.ts";

export interface OpenInferenceOptions {
  readonly maxBodyBytes: number;
  readonly version: string;
  readonly readiness: () => Readiness;
  readonly status: () => Pick<GatewayStatus, "regions">;
  readonly statistics: ModelStatistics;
  readonly clock: Clock;
}

type Route = Pick<HttpRoute, "method" | "path" | "answer" | "isPublic">;

/** The Open Inference Protocol's REST API, with the extensions that a gateway can have. */
export function openInferenceRoutes(options: OpenInferenceOptions): readonly HttpRoute[] {
  const { maxBodyBytes, version, readiness, status, statistics, clock } = options;
  const maxIndexBytes = Math.min(maxBodyBytes, 65_536);

  /** A route of a model, and the same of one of its versions. */
  const ofModel = (
    method: "GET" | "POST",
    verb: "" | "/ready" | "/config" | "/stats" | "/infer",
    answer: HttpRoute["answer"],
  ): readonly Route[] =>
    ["", "/versions/{version}"].map((choice) => ({
      method,
      path: `/v2/models/{model}${choice}${verb}`,
      answer,
    }));

  const described =
    (write: (model: DescribedModel) => ReturnType<typeof jsonBody>): HttpRoute["answer"] =>
    async (_exchange, { call, params, tasks }) =>
      write(await describedModel(specOf(params), { call, tasks }));

  const routes: readonly Route[] = [
    {
      method: "GET",
      path: "/v2",
      isPublic: true,
      answer: () => jsonBody(serverMetadata(version)),
    },
    {
      method: "GET",
      path: "/v2/health/live",
      isPublic: true,
      answer: () => jsonBody({ live: true }),
    },
    {
      method: "GET",
      path: "/v2/health/ready",
      isPublic: true,
      answer: () => {
        const { isReady, because } = readiness();
        if (!isReady) throw new NoReplicaError(`the server is not ready: ${because}`);
        return jsonBody({ ready: true });
      },
    },
    {
      method: "GET",
      path: "/v2/models",
      answer: (_exchange, { call, tasks }) =>
        jsonBody({ models: visibleModels(call, tasks.catalog).map(({ name }) => name) }),
    },
    // Before the routes of models: Triton's clients ask it for the statistics of all.
    {
      method: "GET",
      path: "/v2/models/stats",
      answer: async (_exchange, { call, tasks }) =>
        statisticsJson(await countedModels(undefined, { call, tasks, statistics })),
    },
    ...ofModel("GET", "", described(metadataJson)),
    ...ofModel("GET", "/config", described(configJson)),
    ...ofModel("GET", "/ready", async (_exchange, { call, params, tasks }) => {
      const modelSpec = specOf(params);
      await assertModelReady(modelSpec, { call, tasks, status });
      return jsonBody({ name: modelSpec.name, ready: true });
    }),
    ...ofModel("GET", "/stats", async (_exchange, { call, params, tasks }) =>
      statisticsJson(await countedModels(specOf(params), { call, tasks, statistics })),
    ),
    ...ofModel("POST", "/infer", async (exchange, { call, params, tasks }) => {
      const modelSpec = specOf(params);
      const model = resolvedBeforeBody(modelSpec, { call, tasks });
      const request = await readInferRequest(exchange, maxBodyBytes, () =>
        describedModel(modelSpec, { call, tasks, model }),
      );
      return inferAnswer(
        request,
        await runInference(modelSpec, request, { call, tasks, model, clock }),
        call,
      );
    }),
    {
      method: "POST",
      path: "/v2/repository/index",
      answer: async (exchange, { call, tasks }) => {
        const isReadyOnly = await readIndexRequest(exchange, maxIndexBytes);
        return jsonBody(modelIndex(isReadyOnly, { call, tasks, status }));
      },
    },
    ...unsupportedPaths.map(({ method, path, message, hint }) => ({
      method,
      path,
      answer: (): never => {
        throw new NotSupportedError(message, { hint });
      },
    })),
  ];
  return routes.map((route) => ({
    ...route,
    protocol: "open-inference-rest",
    errorBody: inferenceErrorBody,
  }));
}

function specOf({ model = "", version = "" }: Readonly<Record<string, string>>) {
  return modelSpecOf(model, version);
}

interface UnsupportedPath {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

const loading = {
  message: "models are not loaded or unloaded through the gateway",
  hint: "change the models of the servers behind it, or its configuration",
};
const sharedMemory = {
  message: "the gateway has no shared memory with its callers",
  hint: "send the values in the request",
};
const settings = {
  message: "settings of traces and logs cannot be read or changed by callers",
  hint: "send traceparent, or x-tensorgate-trace: 1",
};

/** What clients of Triton ask for, and a gateway does not have: the error says so, rather than that the path is wrong. */
const unsupportedPaths: readonly UnsupportedPath[] = [
  { method: "POST", path: "/v2/repository/models/{model}/load", ...loading },
  { method: "POST", path: "/v2/repository/models/{model}/unload", ...loading },
  { method: "GET", path: "/v2/systemsharedmemory/status", ...sharedMemory },
  { method: "GET", path: "/v2/cudasharedmemory/status", ...sharedMemory },
  { method: "POST", path: "/v2/systemsharedmemory/region/{region}/register", ...sharedMemory },
  { method: "POST", path: "/v2/cudasharedmemory/region/{region}/register", ...sharedMemory },
  { method: "GET", path: "/v2/trace/setting", ...settings },
  { method: "POST", path: "/v2/trace/setting", ...settings },
  { method: "GET", path: "/v2/logging", ...settings },
  { method: "POST", path: "/v2/logging", ...settings },
];
