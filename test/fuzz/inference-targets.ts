import { create, toBinary } from "@bufbuild/protobuf";
import { bytesTensor, createWorkBudget, joined } from "@tensorgate/core";
import {
  inferRequestHead,
  readInferBody,
  readInferMessage,
  readInferResponse,
  tensorSegments,
  writeInferResponse,
} from "@tensorgate/open-inference";
import {
  ModelInferRequestSchema,
  ModelInferResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import { samplePicture } from "../support/pictures.ts";
import { mutate, pick, type Random } from "./mutate.ts";

const maxElements = 600_000;

const picture = Buffer.from(samplePicture("star"));
const raw = Buffer.concat(tensorSegments(bytesTensor([1], [picture])));
const parameters = {
  timeout: { parameterChoice: { case: "int64Param" as const, value: 5_000_000n } },
  other: { parameterChoice: { case: "doubleParam" as const, value: 0.5 } },
};
const classes = {
  name: "scores",
  parameters: { classification: { parameterChoice: { case: "int64Param" as const, value: 2n } } },
};

/** Requests with each kind of contents: a damaged one may ask for anything. */
const inferRequests: readonly Buffer[] = [
  { rawInputContents: [raw], inputs: [{ name: "images", datatype: "BYTES", shape: [1n] }] },
  {
    inputs: [
      {
        name: "images",
        datatype: "BYTES",
        shape: [1n],
        contents: { bytesContents: [picture.subarray(0, 60)] },
      },
      { name: "a", datatype: "FP32", shape: [2n], contents: { fp32Contents: [1, 2] } },
      { name: "b", datatype: "INT8", shape: [2n], contents: { intContents: [-1, 2] } },
      { name: "c", datatype: "UINT64", shape: [1n, 1n], contents: { uint64Contents: [5n] } },
    ],
  },
].map((request) =>
  Buffer.from(
    toBinary(
      ModelInferRequestSchema,
      create(ModelInferRequestSchema, {
        modelName: "shapes",
        id: "mine",
        parameters,
        outputs: [classes],
        ...request,
      }),
    ),
  ),
);

const inferResponse = Buffer.from(
  toBinary(
    ModelInferResponseSchema,
    create(ModelInferResponseSchema, {
      modelName: "m",
      modelVersion: "3",
      outputs: [
        { name: "scores", datatype: "FP32", shape: [1n, 2n] },
        { name: "labels", datatype: "BYTES", shape: [2n] },
      ],
      rawOutputContents: [Buffer.alloc(8), Buffer.from("0100000061000000006200", "hex")],
    }),
  ),
);

const json = Buffer.from(
  JSON.stringify({
    id: "mine",
    parameters: { timeout: 5_000_000, binary_data_output: true },
    inputs: [
      { name: "images", datatype: "BYTES", shape: [1], data: ["text", { b64: "/9j/" }] },
      {
        name: "a",
        datatype: "FP32",
        shape: [2, 2],
        data: [
          [1, 2.5e3],
          [null, -0.1],
        ],
      },
      { name: "b", datatype: "INT64", shape: [1], data: [900719925474099] },
    ],
    outputs: [{ name: "scores", parameters: { classification: 2, binary_data: false } }],
  }),
);
const head = Buffer.from(
  JSON.stringify({
    inputs: [
      {
        name: "images",
        datatype: "BYTES",
        shape: [1],
        parameters: { binary_data_size: raw.length },
      },
    ],
  }),
);
/** A body with bytes after its JSON. */
const binaryBody = { body: Buffer.concat([head, raw]), jsonBytes: head.length } as const;

/** Readers of the Open Inference Protocol, each with inputs that it should read. */
export const inferenceReaders: readonly {
  readonly name: string;
  readonly seeds: readonly Buffer[];
  readonly read: (bytes: Buffer) => void;
}[] = [
  {
    name: "infer-message",
    seeds: inferRequests,
    read: (bytes) => {
      inferRequestHead(bytes);
      readInferMessage(bytes, createWorkBudget(maxElements));
    },
  },
  {
    name: "infer-response",
    seeds: [inferResponse],
    read: (bytes) => {
      const { outputs } = readInferResponse(bytes, createWorkBudget(maxElements));
      const list = [...outputs].map(([name, tensor]) => ({ name, tensor, isBinary: true }));
      const { json: pieces } = writeInferResponse({
        id: "",
        modelName: "m",
        modelVersion: "",
        outputs: list,
      });
      JSON.parse(Buffer.from(joined([...pieces])).toString("utf8"));
    },
  },
  {
    name: "infer-json",
    seeds: [json],
    read: (bytes) => void readInferBody(bytes, createWorkBudget(maxElements)),
  },
  {
    name: "infer-binary",
    seeds: [binaryBody.body],
    read: (bytes) => {
      const jsonBytes = Math.min(binaryBody.jsonBytes, bytes.byteLength);
      readInferBody(bytes, createWorkBudget(maxElements), jsonBytes);
    },
  },
];

/**
 * Requests that are right, by each way in.
 *
 * @param framed - puts a message into the envelope of gRPC
 */
export function inferenceRequests(framed: (message: Uint8Array) => Buffer) {
  const service = "/inference.GRPCInferenceService";
  return [
    { path: "/v2/models/shapes/infer", type: "application/json", body: json },
    ...inferRequests.flatMap((body) => [
      { path: `${service}/ModelInfer`, type: "application/proto", body },
      { path: `${service}/ModelInfer`, type: "application/grpc", body: framed(body) },
      { path: `${service}/ModelStreamInfer`, type: "application/grpc", body: framed(body) },
    ]),
  ];
}

/** Damages a body with bytes after its JSON, and sometimes the header that says how long the JSON is. */
export function damagedBinaryBody(random: Random): {
  readonly bytes: Buffer;
  readonly headers: Readonly<Record<string, string>>;
} {
  const damaged = random() < 0.5 ? mutate(head, random) : head;
  const blob = random() < 0.5 ? mutate(raw, random) : raw;
  const length =
    random() < 0.8 ? damaged.length : pick(random, [0, -1, 2 ** 40, "x", damaged.length + 1]);
  return {
    bytes: Buffer.concat([damaged, blob]),
    headers: { "inference-header-content-length": String(length) },
  };
}
