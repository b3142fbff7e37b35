import { between, hexPiece, type Piece, piece, type Site, text } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import { arrayAt, bodySites, digitPieces, objectAt, textAt } from "./json-sites.ts";
import {
  jsonOrdinary,
  keyHeader,
  packedAs,
  restOrdinary,
  rpcHeaders,
  rpcOrdinary,
} from "./ordinary.ts";
import { pictureSites } from "./picture-sites.ts";
import { delimited, varint } from "./protobuf-sites.ts";
import { post } from "./wide.ts";

// The Open Inference Protocol by REST in its three forms, and tensors whose shape fits their values over gRPC.

const infer = "/v2/models/shapes/infer";
const lengthHeader = "inference-header-content-length";
const maxRestBytes = 32 * 2 ** 20;
const maxMessageBytes = 60 * 2 ** 20;

/** An input up to its shape; what follows ends it. */
const input = (datatype: string, shape: string) =>
  `{"inputs":[{"name":"images","datatype":"${datatype}","shape":${shape},`;

/** Values of a datatype in JSON; their shape fits where every piece is one value. */
const dataSite = (name: string, datatype: string, values: readonly string[]): Site => ({
  name: `data of ${name}`,
  pieces: values.map((value) => piece(value)),
  wrap: (content) => {
    const count = content.reduce((sum, byte) => (byte === 0x2c ? sum + 1 : sum), 1);
    const first = values[0]?.slice(1) ?? "0";
    return between(`${input(datatype, `[${count}]`)}"data":[${first}`, "]}]}")(content);
  },
});

const inputPieces: readonly Piece[] = [
  '{"name":"@@@@@@","datatype":"FP32","shape":[0],"data":[]},',
  '{"name":"@@@@@@","datatype":"INT64","shape":[1],"data":[9007199254740993]},',
  '{"name":"k","datatype":"BYTES","shape":[1],"data":[""]},',
  '{"name":"@@@@@@","datatype":"FP32","shape":[1,1,1,1],"data":[[[[0]]]],"parameters":{"a":1}},',
].map((value) => piece(value));

const jsonSites: readonly Site[] = [
  ...bodySites(),
  arrayAt("inputs", '{"inputs":', "}"),
  objectAt("inputs[0]", '{"inputs":[', "]}"),
  { name: "whole inputs", pieces: inputPieces, wrap: between('{"inputs":[', "{}]}") },
  arrayAt("shape", '{"inputs":[{"name":"images","datatype":"FP32","shape":', ',"data":[]}]}'),
  objectAt("input parameters", `${input("BYTES", "[1]")}"data":["a"],"parameters":`, "}]}"),
  objectAt("parameters", '{"inputs":[],"parameters":', "}"),
  arrayAt("outputs", '{"inputs":[],"outputs":', "}"),
  {
    name: "whole outputs",
    pieces: [piece('{"name":"@@@@@@","parameters":{"classification":9}},'), piece('{"name":"k"},')],
    wrap: between('{"inputs":[],"outputs":[', "{}]}"),
  },
  textAt("id", '{"inputs":[],"id":', "}"),
  textAt("datatype", '{"inputs":[{"name":"images","shape":[1],"data":[0],"datatype":', "}]}"),
  textAt("b64", `${input("BYTES", "[1]")}"data":[{"b64":`, "}]}]}"),
  textAt(
    "base64 by its type",
    `${input("BYTES", "[1]")}"parameters":{"content_type":"base64"},"data":[`,
    "]}]}",
  ),
  arrayAt("data", `${input("FP32", "[1]")}"data":`, "}]}"),
  dataSite("FP32", "FP32", [",0", ",1e-7", ",0.1", ",12345678.9", ",[1]", ",[]"]),
  dataSite("INT8", "INT8", [",0", ",-1", ",300"]),
  dataSite("INT64", "INT64", [",0", ",9007199254740993", ",-9223372036854775808"]),
  dataSite("BOOL", "BOOL", [",true", ",false"]),
  dataSite("BYTES", "BYTES", [',""', ',"a"', ',"\\u00e9"', ',{"b64":""}', ',{"b64":"QUJD"}']),
  {
    name: "number",
    pieces: digitPieces,
    wrap: between(`${input("FP32", "[1]")}"data":[1`, "]}]}"),
  },
];

/** Elements of BYTES, whose number is counted; what is no element at the end is counted as one. */
const bytesPieces: readonly Piece[] = [
  hexPiece("00000000", "empty"),
  hexPiece("0100000061", "a byte"),
  hexPiece("02000000c3a9", "a letter"),
  hexPiece("ffffffff", "a length beyond all"),
];

function elementCount(content: Buffer): number {
  let count = 0;
  for (let at = 0; at < content.length; count += 1) {
    at += 4 + (at + 4 <= content.length ? content.readUInt32LE(at) : 0);
  }
  return count;
}

/** JSON of one binary tensor, and a line break, by which the sender finds its end. */
const blobHead = (datatype: string, shape: readonly number[], byteCount: number) =>
  text(
    `${input(datatype, JSON.stringify(shape))}"parameters":{"binary_data_size":${byteCount}}}]}\n`,
  );

const blobSites: readonly Site[] = [
  {
    name: "elements of BYTES",
    pieces: bytesPieces,
    wrap: (content) =>
      Buffer.concat([blobHead("BYTES", [elementCount(content)], content.length), content]),
  },
  {
    name: "values of FP32",
    pieces: [hexPiece("00000000", "zero"), hexPiece("0000c07f", "NaN")],
    wrap: (content) =>
      Buffer.concat([blobHead("FP32", [content.length / 4], content.length), content]),
  },
  {
    name: "empty binary inputs",
    pieces: [
      piece('{"name":"@@@@@@","datatype":"FP32","shape":[0],"parameters":{"binary_data_size":0}},'),
      piece(
        '{"name":"@@@@@@","datatype":"BYTES","shape":[0],"parameters":{"binary_data_size":0}},',
      ),
    ],
    wrap: between(
      '{"inputs":[',
      '{"name":"z","datatype":"FP32","shape":[0],"parameters":{"binary_data_size":0}}]}\n',
    ),
  },
];

function rest(
  name: string,
  given: Partial<CostTarget> & Pick<CostTarget, "sites" | "send">,
): CostTarget {
  return {
    name: `infer ${name}`,
    parser: `infer ${name}`,
    group: "inference",
    maxBytes: maxRestBytes,
    ordinary: restOrdinary,
    family: "rest",
    ...given,
  };
}

/** Fields of a request with one input, whose shape fits what follows. */
const oneInput = (datatype: string, shape: readonly number[], contents: Buffer = Buffer.alloc(0)) =>
  Buffer.concat([
    modelPreamble,
    delimited(
      5,
      Buffer.concat([
        delimited(1, text("images")),
        delimited(2, text(datatype)),
        delimited(3, Buffer.concat(shape.map((extent) => varint(extent)))),
        ...(contents.length > 0 ? [delimited(5, contents)] : []),
      ]),
    ),
  ]);

const modelPreamble = delimited(1, text("shapes"));

const fittingSites: readonly Site[] = [
  {
    name: "raw elements of BYTES",
    pieces: bytesPieces,
    wrap: (content) =>
      Buffer.concat([oneInput("BYTES", [elementCount(content)]), delimited(7, content)]),
  },
  {
    name: "contents of FP32",
    pieces: [hexPiece("00000000", "zero"), hexPiece("abaaaa3e", "a third")],
    wrap: (content) => oneInput("FP32", [content.length / 4], delimited(6, content)),
  },
  {
    name: "contents of INT8",
    pieces: [hexPiece("00", "zero"), hexPiece("7f", "the largest")],
    wrap: (content) => oneInput("INT8", [content.length], delimited(2, content)),
  },
  {
    name: "contents of BYTES",
    pieces: [hexPiece("4200", "empty"), hexPiece("420161", "a byte")],
    wrap: (content) => {
      // Every element begins with the tag of `bytes_contents`.
      const count = content.reduce((sum, byte) => (byte === 0x42 ? sum + 1 : sum), 0);
      return oneInput("BYTES", [count], content);
    },
  },
];

export const inferenceTargets: readonly CostTarget[] = [
  rest("json", {
    sites: jsonSites,
    send: post(infer, "application/json"),
    ordinary: jsonOrdinary,
    family: "json",
  }),
  rest("binary", {
    sites: blobSites,
    send: (body) => ({
      path: infer,
      headers: { ...keyHeader, [lengthHeader]: String(body.indexOf("\n") + 1) },
      body,
    }),
  }),
  rest("picture", {
    parser: "picture",
    group: "picture",
    sites: pictureSites,
    send: post(infer, "application/octet-stream", { ...keyHeader, [lengthHeader]: "0" }),
  }),
  ...["application/grpc", "application/proto"].map((type): CostTarget => {
    return {
      name: `infer fitting tensors in ${type.replace("application/", "")}`,
      parser: "infer fitting tensors",
      group: "inference",
      sites: fittingSites,
      maxBytes: maxMessageBytes,
      send: (body) => ({
        path: "/inference.GRPCInferenceService/ModelInfer",
        headers: rpcHeaders(type),
        body: packedAs(type, body),
      }),
      ordinary: rpcOrdinary(type, false),
      family: `unary ${type}`,
    };
  }),
];
