import { createRegistry, type DescMessage, fromBinary, toJson } from "@bufbuild/protobuf";
import { type Client, status } from "@grpc/grpc-js";
import { SignatureDefMapSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { ModelService } from "@tensorgate/proto/tensorflow_serving/model_service";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { expect } from "vitest";
import { talkRaw } from "../support/raw-http.ts";

/** A whole exchange of the REST API. */
export interface RestCase {
  readonly name: string;
  readonly server: { readonly cors: boolean };
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly http_version?: string;
    readonly body?: string;
    readonly body_b64?: string;
    /** The bytes that are sent, where they differ from the body. */
    readonly wire_body_b64?: string;
  };
  readonly expect: {
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly body_b64?: string;
    readonly error_contains?: readonly string[];
  };
}

/** A whole call over gRPC. */
export interface RpcCase {
  readonly name: string;
  readonly method: string;
  readonly request_b64: string;
  /** `counter:1` for the first of several calls of a model that counts. */
  readonly sequence?: string;
  readonly expect: {
    readonly code: keyof typeof status;
    readonly message?: string;
    readonly message_prefix?: string;
    readonly contains?: readonly string[];
    readonly response_b64?: string;
  };
}

/** How strictly answers are compared. */
export interface RestExpectations {
  /** Headers that must be as the original's. */
  readonly headers: readonly string[];
}

/** Sends the request of a case, and expects the original's answer. */
export async function expectRestAnswer(
  port: number,
  { request, expect: wanted }: RestCase,
  { headers }: RestExpectations,
): Promise<void> {
  const got = await exchanged(port, request);
  expect(got.status, got.body).toBe(wanted.status);
  for (const name of headers) {
    const expected = wanted.headers?.[name];
    if (expected !== undefined)
      expect(`${name}: ${got.headers.get(name)}`).toBe(`${name}: ${expected}`);
  }
  const body =
    wanted.body_b64 === undefined
      ? wanted.body
      : Buffer.from(wanted.body_b64, "base64").toString("latin1");
  if (body !== undefined) expectBody(got.body, wanted.body === undefined ? body : latin1(body));
  for (const part of wanted.error_contains ?? []) expect(got.body).toContain(latin1(part));
}

const latin1 = (text: string) => Buffer.from(text).toString("latin1");

/** Members of an object have no certain order in the original. */
function expectBody(got: string, wanted: string): void {
  const isUnordered = wanted.includes('"metadata"') || wanted.includes('"out_i"');
  if (wanted.startsWith("# TYPE"))
    expect(got).toContain("# TYPE :tensorflow:serving:request_count counter");
  else if (isUnordered) expect(JSON.parse(got)).toEqual(JSON.parse(wanted));
  else expect(got).toBe(wanted);
}

interface RestReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Each byte as one character. */
  readonly body: string;
}

/** Sends exactly what a case says, over its own connection. */
async function exchanged(port: number, request: RestCase["request"]): Promise<RestReply> {
  const { method, path, headers, http_version = "1.1", body, body_b64, wire_body_b64 } = request;
  const sent = wire_body_b64 ?? body_b64;
  const bytes = sent === undefined ? Buffer.from(body ?? "") : Buffer.from(sent, "base64");
  const isFramed = Object.keys(headers).some((name) => /^transfer-encoding$/i.test(name));
  const lines = [
    `${method} ${path} HTTP/${http_version}`,
    "Host: localhost",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(isFramed || (bytes.length === 0 && body === undefined)
      ? []
      : [`Content-Length: ${bytes.length}`]),
  ];
  // A second request ends the connection where the first one keeps it.
  const isLast = /close/i.test(headers["Connection"] ?? "");
  const next = "GET /v1/end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const received = await talkRaw(port, [
    `${lines.join("\r\n")}\r\n\r\n`,
    bytes,
    isLast ? "" : next,
  ]);
  return replyFrom(received.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ""), method);
}

/** The first reply of those that came. */
function replyFrom(received: string, method: string): RestReply {
  const end = received.indexOf("\r\n\r\n");
  const [first = "", ...lines] = received.slice(0, end).split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const length = method === "HEAD" ? 0 : Number(headers.get("content-length") ?? 0);
  const body = received.slice(end + 4, end + 4 + length);
  return { status: Number(first.split(" ")[1]), headers, body };
}

/** Makes the call of a case, and expects the original's answer. */
export async function expectRpcAnswer(
  client: Client,
  { method, request_b64, expect: wanted }: RpcCase,
): Promise<void> {
  const got = await called(client, method, Buffer.from(request_b64, "base64"));
  const { code, message, message_prefix, contains = [], response_b64 } = wanted;
  expect(status[got.code], got.details).toBe(code);
  if (message !== undefined) expect(got.details).toBe(message);
  if (message_prefix !== undefined)
    expect(got.details.slice(0, message_prefix.length)).toBe(message_prefix);
  for (const part of contains) expect(got.details).toContain(part);
  if (response_b64 === undefined) return;
  const json = (bytes: Uint8Array) => responseJson(method, bytes);
  expect(json(got.response ?? Buffer.alloc(0))).toEqual(json(Buffer.from(response_b64, "base64")));
}

function called(client: Client, method: string, message: Buffer) {
  const bytes = (each: Buffer) => each;
  return new Promise<{ code: number; details: string; response?: Buffer }>((resolve) => {
    client.makeUnaryRequest(method, bytes, bytes, message, (error, response) => {
      if (error) resolve({ code: error.code, details: error.details });
      else resolve({ code: status.OK, details: "", ...(response && { response }) });
    });
  });
}

const registry = createRegistry(SignatureDefMapSchema);

/** A response of whatever method, comparable. */
function responseJson(method: string, bytes: Uint8Array): unknown {
  const methods = [...PredictionService.methods, ...ModelService.methods];
  const output: DescMessage | undefined = methods.find(({ name }) =>
    method.endsWith(`/${name}`),
  )?.output;
  if (!output) throw new RangeError(`there is no method ${method}`);
  return toJson(output, fromBinary(output, bytes), { registry });
}
