import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import {
  defaultSignature,
  float32Tensor,
  float32Values,
  type Signature,
  type Tensor,
} from "@tensorgate/core";
import { type ManualClock, manualClock } from "@tensorgate/core/testing";
import {
  GetModelMetadataRequestSchema,
  GetModelMetadataResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import {
  GetModelStatusRequestSchema,
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import {
  ReloadConfigRequestSchema,
  ReloadConfigResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/model_management";
import type { ModelConfigSchema } from "@tensorgate/proto/tensorflow_serving/model_server_config";
import type { StatusProto } from "@tensorgate/proto/tensorflow_serving/status";
import {
  modelMetadataFromResponse,
  predictRequestSegments,
  scoreResponseFromPredictResponse,
} from "@tensorgate/tf-serving";
import { createGraphBuilder } from "./onnx/graph-builder.ts";

/** For tests: y = x / 2 + 2, the sample model of TensorFlow Serving, as `FOLDER/<name>/<version>/model.onnx`. */
export function addHalfPlusTwo(folder: string, name: string, version = "1"): void {
  const graph = createGraphBuilder("half_plus_two");
  graph.input("x", ["n"]);
  const half = graph.op("Mul", ["x", graph.scalar(0.5)]);
  graph.op("Add", [half, graph.scalar(2)], {}, "y");
  graph.output("y", ["n"]);
  addModelFile(folder, name, graph.finish(), version);
}

/** For tests: puts a file in place of a model. */
export function addModelFile(
  folder: string,
  name: string,
  bytes: Uint8Array | string,
  version = "1",
): void {
  mkdirSync(join(folder, name, version), { recursive: true });
  writeFileSync(join(folder, name, version, "model.onnx"), bytes);
}

/** For tests: a clock whose timers can be awaited. */
export interface ObservedClock extends ManualClock {
  /** Resolves when these are the delays of its timers, in milliseconds, soonest first. */
  pending(delaysMs: readonly number[]): Promise<void>;
}

export function createObservedClock(): ObservedClock {
  const clock = manualClock();
  const waiting: { readonly delays: string; readonly resolve: () => void }[] = [];
  const notify = () => {
    const now = String(clock.pendingTimersMs());
    for (const { delays, resolve } of waiting) if (delays === now) resolve();
  };
  return {
    ...clock,
    setTimer: (delayMs, wake) => {
      const timer = clock.setTimer(delayMs, wake);
      notify();
      return timer;
    },
    pending: (delaysMs) =>
      new Promise((resolve) => {
        waiting.push({ delays: String(delaysMs), resolve });
        notify();
      }),
  };
}

export type Tensors = Readonly<Record<string, Tensor>>;

export type ListedModel = MessageInitShape<typeof ModelConfigSchema>;

/** For tests: a caller of a model server, over real gRPC. */
export interface ServingCaller extends Disposable {
  /** The raw reply. */
  call(method: string, message: Uint8Array): Promise<Buffer>;
  /** What the model makes of `x`: its only output, and the version that answered. */
  predict(
    model: string,
    inputs?: Readonly<Record<string, readonly number[]>>,
  ): Promise<{ readonly values: readonly number[]; readonly version: bigint }>;
  /** Every output of the model, or those of the filter, as the server answers them. */
  score(
    model: string,
    inputs: Tensors,
    outputFilter?: readonly string[],
  ): Promise<ReadonlyMap<string, Tensor>>;
  /** The signature that a call without a name uses. */
  signature(model: string): Promise<Signature | undefined>;
  /** For each version its state and the text of its error, highest first: `"2 AVAILABLE"`, `"1 END text"`. */
  states(model: string): Promise<readonly string[]>;
  /** @returns the status of the response */
  reload(list: readonly ListedModel[]): Promise<StatusProto | undefined>;
}

export function createServingCaller(port: number): ServingCaller {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const same = (buffer: Buffer) => buffer;
  const call = (method: string, message: Uint8Array): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const path = `/tensorflow.serving.${method}`;
      client.makeUnaryRequest(path, same, same, Buffer.from(message), (error, reply) => {
        if (error) reject(error);
        else resolve(reply ?? Buffer.alloc(0));
      });
    });

  const score = async (name: string, inputs: Tensors, outputFilter: readonly string[] = []) => {
    const tensors = new Map(Object.entries(inputs));
    const request = { modelSpec: { name }, inputs: tensors, outputFilter };
    const message = Buffer.concat(predictRequestSegments(request));
    const reply = await call("PredictionService/Predict", message);
    return scoreResponseFromPredictResponse(reply, { asked: { name } });
  };

  return {
    call,
    [Symbol.dispose]: () => client.close(),
    predict: async (name, inputs = {}) => {
      const tensors = Object.entries(inputs).map(
        ([alias, values]) =>
          [alias, float32Tensor([values.length], Float32Array.from(values))] as const,
      );
      const { outputs, model } = await score(name, Object.fromEntries(tensors));
      const [only] = outputs.values();
      return { values: only ? [...float32Values(only)] : [], version: model.version };
    },
    score: async (name, inputs, outputFilter) => (await score(name, inputs, outputFilter)).outputs,
    signature: async (name) => {
      const request = create(GetModelMetadataRequestSchema, {
        modelSpec: { name },
        metadataField: ["signature_def"],
      });
      const bytes = toBinary(GetModelMetadataRequestSchema, request);
      const reply = await call("PredictionService/GetModelMetadata", bytes);
      const metadata = fromBinary(GetModelMetadataResponseSchema, reply);
      return defaultSignature(modelMetadataFromResponse(metadata));
    },
    states: async (name) => {
      const request = create(GetModelStatusRequestSchema, { modelSpec: { name } });
      const bytes = toBinary(GetModelStatusRequestSchema, request);
      const reply = await call("ModelService/GetModelStatus", bytes);
      const { modelVersionStatus } = fromBinary(GetModelStatusResponseSchema, reply);
      return modelVersionStatus.map(({ version, state, status }) =>
        `${version} ${State[state]} ${status?.errorMessage ?? ""}`.trimEnd(),
      );
    },
    reload: async (config) => {
      const request = create(ReloadConfigRequestSchema, {
        config: { config: { case: "modelConfigList", value: { config: [...config] } } },
      });
      const bytes = toBinary(ReloadConfigRequestSchema, request);
      const reply = await call("ModelService/HandleReloadConfigRequest", bytes);
      return fromBinary(ReloadConfigResponseSchema, reply).status;
    },
  };
}
