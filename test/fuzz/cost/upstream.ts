import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { float32Tensor, type Tensor } from "@tensorgate/core";
import {
  ModelInferResponseSchema,
  ModelMetadataResponseSchema,
  ModelReadyResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import { GetModelMetadataResponseSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import {
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { GetModelResponseSchema } from "@tensorgate/proto/tensorgate/v1/catalog";
import { PredictResponseSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { GetStatusResponseSchema } from "@tensorgate/proto/tensorgate/v1/status";
import { modelMetadataResponse, predictResponseSegments } from "@tensorgate/tf-serving";
import { envelope } from "./text-sites.ts";

/** What a replica answers: bytes as they are, and trailers. */
export interface UpstreamReply {
  /** The last segment of the method's path. */
  readonly method: string;
  readonly bytes: Uint8Array;
  readonly trailers?: Readonly<Record<string, string>>;
}

/** A replica and the gateway of another region in one, well behaved until it is told otherwise. */
export interface Upstream extends AsyncDisposable {
  readonly address: string;
  /** Answers one method so until `behave`. */
  misbehave(reply: UpstreamReply): void;
  behave(): void;
  /** Resolves when `method` has been answered the next time. */
  nextAnswer(method: string): Promise<void>;
}

export const classCount = 16;

export const predictReply = (outputs: ReadonlyMap<string, Tensor>): Buffer =>
  Buffer.concat(
    predictResponseSegments({
      model: { name: "m", version: 1n },
      outputs,
      signatureName: "serving_default",
    }),
  );

const scores = (count: number) =>
  float32Tensor(
    [1, count],
    Float32Array.from({ length: count }, (_, index) => (index + 1) / count),
  );

export const usualOutputs: ReadonlyMap<string, Tensor> = new Map([
  ["scores", scores(classCount)],
  ["features", float32Tensor([1, 4], new Float32Array(4))],
]);

/** Of a model with many classes. */
export const wideOutputs = (count: number): ReadonlyMap<string, Tensor> =>
  new Map([["scores", scores(count)]]);

const peerPredict = toBinary(
  PredictResponseSchema,
  create(PredictResponseSchema, {
    model: { name: "m", version: 1n },
    outputs: {
      scores: {
        dtype: "FP32",
        shape: [1n, BigInt(classCount)],
        values: { case: "data", value: new Uint8Array(classCount * 4) },
      },
    },
  }),
);

/** What a server of the Open Inference Protocol answers. */
export const inferReply: Buffer = Buffer.from(
  toBinary(
    ModelInferResponseSchema,
    create(ModelInferResponseSchema, {
      modelName: "inferred",
      modelVersion: "1",
      outputs: [...usualOutputs].map(([name, { dtype, shape }]) => ({
        name,
        datatype: dtype,
        shape: shape.map(BigInt),
      })),
      rawOutputContents: [...usualOutputs.values()].map((tensor) =>
        "data" in tensor ? new Uint8Array(tensor.data) : new Uint8Array(),
      ),
    }),
  ),
);

const usual: Readonly<Record<string, Uint8Array>> = {
  ModelInfer: inferReply,
  ModelReady: toBinary(ModelReadyResponseSchema, create(ModelReadyResponseSchema, { ready: true })),
  ModelMetadata: toBinary(
    ModelMetadataResponseSchema,
    create(ModelMetadataResponseSchema, {
      name: "inferred",
      versions: ["1"],
      inputs: [{ name: "images", datatype: "BYTES", shape: [-1n] }],
      outputs: [
        { name: "scores", datatype: "FP32", shape: [-1n, BigInt(classCount)] },
        { name: "features", datatype: "FP32", shape: [-1n, -1n] },
      ],
    }),
  ),
  GetModelStatus: toBinary(
    GetModelStatusResponseSchema,
    create(GetModelStatusResponseSchema, {
      modelVersionStatus: [{ version: 1n, state: State.AVAILABLE }],
    }),
  ),
  GetModelMetadata: toBinary(
    GetModelMetadataResponseSchema,
    modelMetadataResponse({
      model: { name: "m", version: 1n },
      signatures: new Map([
        [
          "serving_default",
          {
            methodName: "tensorflow/serving/predict",
            inputs: new Map([["images", { dtype: "BYTES", shape: [-1] }]]),
            outputs: new Map([
              ["scores", { dtype: "FP32", shape: [-1, classCount] }],
              ["features", { dtype: "FP32", shape: [-1, -1] }],
            ]),
          },
        ],
      ]),
    }),
  ),
  GetModel: toBinary(
    GetModelResponseSchema,
    create(GetModelResponseSchema, { model: { name: "far", versions: [1n], weights: "trained" } }),
  ),
  GetStatus: toBinary(
    GetStatusResponseSchema,
    create(GetStatusResponseSchema, {
      status: {
        regions: [{ name: "eastus", pools: [{ model: "far", replicas: [{ state: "ready" }] }] }],
      },
    }),
  ),
};

export async function startUpstream(): Promise<Upstream> {
  const server = http2.createServer({ settings: { initialWindowSize: 2 ** 24 } });
  const sessions = new Set<http2.ServerHttp2Session>();
  let bad: UpstreamReply | undefined;
  const waiting: { readonly method: string; readonly resolve: () => void }[] = [];

  function answer(stream: http2.ServerHttp2Stream, path: string): void {
    const method = path.slice(path.lastIndexOf("/") + 1);
    const isPeer = path.startsWith("/tensorgate.");
    const good =
      method === "Predict" ? (isPeer ? peerPredict : predictReply(usualOutputs)) : usual[method];
    const isBad = bad?.method === method;
    const bytes = isBad ? bad?.bytes : good && envelope(good);
    if (!bytes) {
      stream.respond(
        { "content-type": "application/grpc", "grpc-status": 12 },
        { endStream: true },
      );
      return;
    }
    const trailers = (isBad && bad?.trailers) || { "grpc-status": "0" };
    stream.once("close", () => {
      for (const each of waiting.splice(0)) {
        if (each.method === method) each.resolve();
        else waiting.push(each);
      }
    });
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end(bytes);
  }

  server.on("session", (session) => {
    sessions.add(session);
    session.setLocalWindowSize(2 ** 26);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => {});
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    stream.resume();
    stream.once("end", () => {
      if (!stream.destroyed) answer(stream, String(headers[":path"]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    misbehave: (reply) => {
      bad = reply;
    },
    behave: () => {
      bad = undefined;
    },
    nextAnswer: (method) => new Promise((resolve) => waiting.push({ method, resolve })),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}
