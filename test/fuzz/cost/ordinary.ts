import { create, toBinary } from "@bufbuild/protobuf";
import { fixedSizeTensor } from "@tensorgate/core";
import {
  ClassifyRequestSchema,
  ClassifyStreamRequestSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { samplePicture } from "../../support/pictures.ts";
import { text } from "./body.ts";
import type { Sent } from "./deliver.ts";
import { envelope } from "./text-sites.ts";
import { predictReply, usualOutputs } from "./upstream.ts";

/** A key of the measured gateway. */
export const key = "tg_a_0123456789abcdef0123456789abcdef";
export const keyHeader: Readonly<Record<string, string>> = { "x-api-key": key };

export const scoring = "/tensorgate.v1.ScoringService";
export const star: Buffer = Buffer.from(samplePicture("star"));
/** The head of a JPEG up to its scan, which is all that the gateway reads of a picture that it passes on. */
export const tinyPicture: Buffer = Buffer.from(
  "/9j/4AAQSkZJRgABAQAAAQABAAD/wAALCAAQABABAREA/9oACAEBAAA/AA==",
  "base64",
);

/** A JPEG of `length` bytes whose scan means nothing. */
export function ordinaryPicture(length: number): Buffer {
  return Buffer.concat([tinyPicture, Buffer.alloc(Math.max(0, length - tinyPicture.length), 0x55)]);
}

export const restOrdinary = (length: number): Sent => ({
  path: "/v1/classify/shapes",
  headers: { ...keyHeader, "content-type": "image/jpeg" },
  body: ordinaryPicture(length),
});

export const jsonOrdinary = (length: number): Sent => ({
  path: "/v1/classify/shapes",
  headers: { ...keyHeader, "content-type": "application/json" },
  body: text(JSON.stringify({ image: { b64: base64Picture(length) } })),
});

export const formOrdinary = (length: number): Sent => ({
  path: "/v1/classify/shapes",
  headers: { ...keyHeader, "content-type": "multipart/form-data; boundary=b" },
  body: Buffer.concat([
    text('--b\r\ncontent-disposition: form-data; name="a"; filename="a.jpg"\r\n\r\n'),
    ordinaryPicture(length),
    text("\r\n--b--\r\n"),
  ]),
});

const base64Picture = (length: number) =>
  ordinaryPicture(Math.floor((length * 3) / 4)).toString("base64");

const modelSpec = { name: "shapes" };

export function classifyMessage(bytes: Buffer): Buffer {
  const source = { case: "data" as const, value: new Uint8Array(bytes) };
  return Buffer.from(
    toBinary(
      ClassifyRequestSchema,
      create(ClassifyRequestSchema, { modelSpec, pictures: [{ source }] }),
    ),
  );
}

/** A message of `ClassifyStream` with a picture of some bytes. */
export function streamMessage(bytes: Buffer): Buffer {
  const source = { case: "data" as const, value: new Uint8Array(bytes) };
  return Buffer.from(
    toBinary(
      ClassifyStreamRequestSchema,
      create(ClassifyStreamRequestSchema, { modelSpec, picture: { source } }),
    ),
  );
}

/** How messages travel, by content type. */
export const isJson = (type: string): boolean => type.includes("json");
export const isEnveloped = (type: string): boolean =>
  type.startsWith("application/grpc") || type.startsWith("application/connect+");

export function rpcHeaders(type: string): Readonly<Record<string, string>> {
  const te = type.startsWith("application/grpc") ? { te: "trailers" } : {};
  return { ...keyHeader, ...te, "content-type": type };
}

export function packedAs(type: string, message: Buffer): Buffer {
  const bytes = isEnveloped(type) ? envelope(message) : message;
  return type === "application/grpc-web-text" ? text(bytes.toString("base64")) : bytes;
}

/** A picture by `Classify`, or by `ClassifyStream` where messages are a stream. */
export const rpcOrdinary =
  (type: string, isStream: boolean) =>
  (length: number): Sent => {
    const data = base64Picture;
    const message = isStream
      ? isJson(type)
        ? text(JSON.stringify({ modelSpec, picture: { data: data(length) } }))
        : streamMessage(ordinaryPicture(length))
      : isJson(type)
        ? text(JSON.stringify({ modelSpec, pictures: [{ data: data(length) }] }))
        : classifyMessage(ordinaryPicture(length));
    return {
      path: `${scoring}/${isStream ? "ClassifyStream" : "Classify"}`,
      headers: rpcHeaders(type),
      body: packedAs(type, message),
    };
  };

/** Messages of the stream that stands for shorter and longer ones. */
const messageCount = 32;

/** As many tiny pictures as there are units of `unitLength` bytes in `length`. */
export const manyOrdinary =
  (type: string) =>
  (length: number, unitLength: number): Sent => {
    const one = envelope(
      isJson(type)
        ? text(JSON.stringify({ modelSpec, picture: { data: tinyPicture.toString("base64") } }))
        : streamMessage(tinyPicture),
    );
    const wanted = Math.max(1, Math.floor(length / unitLength));
    return {
      times: wanted / messageCount,
      path: `${scoring}/ClassifyStream`,
      headers: rpcHeaders(type),
      body: Buffer.alloc(messageCount * one.length, one),
    };
  };

/** A call whose replica answers with one long tensor beside the scores. */
export const replyOrdinary = (length: number): Sent => {
  const values = Math.max(1, Math.floor(length / 4));
  const features = fixedSizeTensor("FP32", [1, values], new Uint8Array(values * 4));
  const outputs = new Map([...usualOutputs, ["features", features] as const]);
  return {
    path: "/v1/classify/shapes",
    headers: { ...keyHeader, "content-type": "image/jpeg" },
    body: tinyPicture,
    reply: { method: "Predict", bytes: envelope(predictReply(outputs)) },
  };
};
