import {
  type Clock,
  type GatewayStatus,
  ModelNotReadyError,
  NoReplicaError,
  NotSupportedError,
  type Readiness,
  UnknownVersionError,
} from "@tensorgate/core";
import { visibleModel, visibleModels } from "../../access/access.ts";
import type { HttpRoute } from "../http-handler.ts";
import {
  type DescribedModel,
  describedModel,
  hasVersion,
  isModelReady,
  modelSpecOf,
} from "./described-model.ts";
import { inferenceErrorBody } from "./errors.ts";
import { runInference } from "./inference.ts";
import {
  configJson,
  indexEntries,
  inferAnswer,
  jsonBody,
  metadataJson,
  readIndexRequest,
  readInferRequest,
} from "./messages.ts";

export interface OpenInferenceOptions {
  readonly maxBodyBytes: number;
  readonly version: string;
  readonly readiness: () => Readiness;
  readonly status: () => Pick<GatewayStatus, "regions">;
  readonly clock: Clock;
}

/** Extensions of the protocol that are there. */
const extensions: readonly string[] = [
  "binary_tensor_data",
  "classification",
  "schedule_policy",
  "model_configuration",
];

type Route = Pick<HttpRoute, "method" | "path" | "answer" | "isPublic">;

/** The Open Inference Protocol's REST API, with the extensions that a gateway can have. */
export function openInferenceRoutes(options: OpenInferenceOptions): readonly HttpRoute[] {
  const { maxBodyBytes, version, readiness, status, clock } = options;
  const maxIndexBytes = Math.min(maxBodyBytes, 65_536);

  /** A route of a model, and the same of one of its versions. */
  const ofModel = (
    method: "GET" | "POST",
    verb: "" | "/ready" | "/config" | "/infer",
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
      write(await describedModel(specOf(params), call, tasks));

  const routes: readonly Route[] = [
    {
      method: "GET",
      path: "/v2",
      isPublic: true,
      answer: () => jsonBody({ name: "tensorgate", version, extensions }),
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
    ...ofModel("GET", "", described(metadataJson)),
    ...ofModel("GET", "/config", described(configJson)),
    ...ofModel("GET", "/ready", async (_exchange, { call, params, tasks }) => {
      const modelSpec = specOf(params);
      const { name } = modelSpec;
      const model = visibleModel(call, tasks.catalog, name);
      if (!isModelReady(model, status())) {
        throw new ModelNotReadyError(`model "${name}" is not ready: no replica can serve it`);
      }
      // A label stands for a version that only replicas know.
      if (modelSpec.versionLabel !== undefined) await tasks.signatures(modelSpec, call);
      if (!hasVersion(modelSpec, model)) {
        throw new UnknownVersionError(`model "${name}" has no version ${modelSpec.version}`);
      }
      return jsonBody({ name, ready: true });
    }),
    ...ofModel("POST", "/infer", async (exchange, { call, params, tasks }) => {
      const modelSpec = specOf(params);
      const request = await readInferRequest(exchange, maxBodyBytes, () =>
        describedModel(modelSpec, call, tasks),
      );
      return inferAnswer(
        request,
        await runInference(modelSpec, request, { call, tasks, clock }),
        call,
      );
    }),
    {
      method: "POST",
      path: "/v2/repository/index",
      answer: async (exchange, { call, tasks }) => {
        const isReadyOnly = await readIndexRequest(exchange, maxIndexBytes);
        const now = status();
        const entries = visibleModels(call, tasks.catalog).flatMap((model) =>
          indexEntries(model, isModelReady(model, now)),
        );
        return jsonBody(isReadyOnly ? entries.filter(({ state }) => state === "READY") : entries);
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
const statistics = {
  message: "statistics of models are not served by this protocol",
  hint: "the admin port has metrics, tensorgate.v1.StatusService the state of replicas",
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
  { method: "GET", path: "/v2/models/stats", ...statistics },
  { method: "GET", path: "/v2/models/{model}/stats", ...statistics },
  { method: "GET", path: "/v2/models/{model}/versions/{version}/stats", ...statistics },
  { method: "GET", path: "/v2/systemsharedmemory/status", ...sharedMemory },
  { method: "GET", path: "/v2/cudasharedmemory/status", ...sharedMemory },
  { method: "POST", path: "/v2/systemsharedmemory/region/{region}/register", ...sharedMemory },
  { method: "POST", path: "/v2/cudasharedmemory/region/{region}/register", ...sharedMemory },
  { method: "GET", path: "/v2/trace/setting", ...settings },
  { method: "POST", path: "/v2/trace/setting", ...settings },
  { method: "GET", path: "/v2/logging", ...settings },
  { method: "POST", path: "/v2/logging", ...settings },
];
