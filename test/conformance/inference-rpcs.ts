import {
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { type Client, Metadata, status } from "@grpc/grpc-js";
import { bytesTensor } from "@tensorgate/core";
import { tensorSegments } from "@tensorgate/open-inference";
import { Health } from "@tensorgate/proto/grpc/health/v1/health";
import {
  GRPCInferenceService,
  type ModelInferResponse,
  ModelInferResponseSchema,
  ModelStreamInferResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import { expect } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type Expected, expectMatch, plain } from "./matchers.ts";

type CodeName = keyof typeof status;

interface ExpectedTensor {
  readonly name: string;
  readonly datatype?: string;
  readonly shape?: readonly number[];
  readonly b64: string;
}

interface ExpectedResponse {
  readonly tensors?: readonly ExpectedTensor[];
  readonly form?: "raw";
  readonly argmax?: Readonly<Record<string, readonly number[]>>;
  readonly bytes_elements?: Readonly<Record<string, Expected>>;
}

interface ExpectedRpc extends ExpectedResponse {
  readonly code: CodeName | readonly CodeName[];
  readonly mentions?: readonly string[];
  readonly response?: Expected;
}

/** A unary call of the protocol's gRPC service. */
export interface InferenceRpcCase {
  readonly name: string;
  readonly method: string;
  readonly request?: JsonObject;
  readonly request_b64?: string;
  readonly metadata?: readonly (readonly [string, string])[];
  readonly expect: ExpectedRpc | { readonly one_of: readonly ExpectedRpc[] };
}

/** A stream of them. */
export interface InferenceStreamCase {
  readonly name: string;
  readonly method: string;
  readonly requests: readonly JsonObject[];
  readonly expect: {
    readonly code: CodeName;
    readonly order?: "any";
    readonly responses: readonly (ExpectedResponse & Readonly<Record<string, unknown>>)[];
  };
}

const same = (bytes: Buffer) => bytes;

/** Sends the request of a case, and expects its answer. */
export async function expectInferenceRpc(client: Client, each: InferenceRpcCase): Promise<void> {
  const method = [...GRPCInferenceService.methods, ...Health.methods].find(
    ({ name, parent }) => each.method === `/${parent.typeName}/${name}`,
  );
  const { request, request_b64 } = each;
  const message =
    request_b64 === undefined && method
      ? encoded(method.input, request ?? {})
      : Buffer.from(request_b64 ?? "", "base64");
  const metadata = new Metadata();
  for (const [name, value] of each.metadata ?? []) metadata.set(name, value);
  const answer = await new Promise<RpcAnswer>((resolve) => {
    client.makeUnaryRequest(each.method, same, same, message, metadata, (error, response) =>
      resolve({
        code: status[error?.code ?? status.OK] as CodeName,
        details: error?.details ?? "",
        response,
      }),
    );
  });
  const wanted = "one_of" in each.expect ? each.expect.one_of : [each.expect];
  const faults: string[] = [];
  for (const one of wanted) {
    try {
      return expectRpcAnswer(answer, one, method?.output);
    } catch (thrown) {
      faults.push((thrown as Error).message);
    }
  }
  expect.fail(faults.join("\nor: "));
}

interface RpcAnswer {
  readonly code: CodeName;
  readonly details: string;
  readonly response: Buffer | undefined;
}

function expectRpcAnswer(
  { code, details, response }: RpcAnswer,
  wanted: ExpectedRpc,
  output: DescMessage | undefined,
): void {
  expect([wanted.code].flat(), details).toContain(code);
  // What grpc-js says of an answer that is HTTP's, and not gRPC's.
  expect(details).not.toContain("HTTP");
  for (const mention of wanted.mentions ?? []) expect(plain(details)).toContain(plain(mention));
  if (!response || !output) return;
  if (wanted.response) {
    const json = toJson(output, fromBinary(output, response), { useProtoFieldName: true });
    expectMatch(json, wanted.response);
  }
  if (output === ModelInferResponseSchema) {
    expectOutputs(fromBinary(ModelInferResponseSchema, response), wanted);
  }
}

/** Sends the requests of a case on one stream, and expects its answers. */
export async function expectInferenceStream(
  client: Client,
  { method, requests, expect: wanted }: InferenceStreamCase,
): Promise<void> {
  const stream = client.makeBidiStreamRequest(method, same, same, new Metadata());
  const answers: Buffer[] = [];
  let code: CodeName = "OK";
  stream.on("error", (error: Error & { code: number }) => {
    code = status[error.code] as CodeName;
  });
  stream.on("data", (bytes: Buffer) => answers.push(bytes));
  const { input } = GRPCInferenceService.method.modelStreamInfer;
  for (const request of requests) stream.write(encoded(input, request));
  stream.end();
  await new Promise((resolve) => stream.once("end", resolve).once("error", resolve));
  expect(code).toBe(wanted.code);
  expect(answers).toHaveLength(wanted.responses.length);
  const left = answers.map((bytes) => fromBinary(ModelStreamInferResponseSchema, bytes));
  for (const { tensors, ...members } of wanted.responses) {
    const fits = left.findIndex((answer) => {
      try {
        const json = toJson(ModelStreamInferResponseSchema, answer, { useProtoFieldName: true });
        expectMatch(json, members);
        if (tensors && answer.inferResponse) expectOutputs(answer.inferResponse, { tensors });
        return true;
      } catch {
        return false;
      }
    });
    expect(fits, `an answer like ${JSON.stringify(members)}`).not.toBe(-1);
    if (wanted.order !== "any") expect(fits).toBe(0);
    left.splice(fits, 1);
  }
}

function encoded(schema: DescMessage, request: JsonObject): Buffer {
  return Buffer.from(toBinary(schema, fromJson(schema, substituted(request))));
}

/** Puts pictures in place of their names. */
function substituted(value: JsonValue): JsonValue {
  if (typeof value === "string") {
    const [, kind, files = ""] = /^\$(bytes_tensor_of_pictures|picture):(.+)$/.exec(value) ?? [];
    if (kind === undefined) return value;
    const pictures = files.split(",").map((file) => samplePicture(file.replace(/\.jpg$/, "")));
    const bytes =
      kind === "picture"
        ? Buffer.concat(pictures)
        : Buffer.concat(tensorSegments(bytesTensor([pictures.length], pictures)));
    return bytes.toString("base64");
  }
  if (Array.isArray(value)) return value.map(substituted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, substituted(member)]),
  );
}

function expectOutputs(response: ModelInferResponse, wanted: ExpectedResponse): void {
  const found = new Map(
    response.outputs.map((output, index) => [
      output.name,
      { output, bytes: response.rawOutputContents[index] ?? contentBytes(output) },
    ]),
  );
  const outputOf = (name: string) => found.get(name) ?? expect.fail(`there is no output ${name}`);
  if (wanted.form === "raw") {
    expect(response.rawOutputContents).toHaveLength(response.outputs.length);
  }
  if (wanted.tensors) {
    expect([...found.keys()]).toHaveLength(wanted.tensors.length);
  }
  for (const { name, datatype, shape, b64 } of wanted.tensors ?? []) {
    const { output, bytes } = outputOf(name);
    if (datatype) expect(output.datatype).toBe(datatype);
    if (shape) expect(output.shape.map(Number)).toEqual(shape);
    const expected = Buffer.from(b64, "base64");
    if (output.datatype === "FP32") expectMatch(floats(bytes), floats(expected), name);
    else expect(Buffer.from(bytes).toString("hex")).toBe(expected.toString("hex"));
  }
  for (const [name, rows] of Object.entries(wanted.argmax ?? {})) {
    const values = floats(outputOf(name).bytes);
    expectMatch(values, { $argmax_rows: [values.length / rows.length, rows] }, name);
  }
  for (const [name, elements] of Object.entries(wanted.bytes_elements ?? {})) {
    expectMatch(bytesElements(Buffer.from(outputOf(name).bytes)), elements, name);
  }
}

const writers: Readonly<Record<string, (bytes: DataView, value: never) => void>> = {
  BOOL: (view, value: boolean) => view.setUint8(0, Number(value)),
  INT8: (view, value: number) => view.setInt8(0, value),
  INT16: (view, value: number) => view.setInt16(0, value, true),
  INT32: (view, value: number) => view.setInt32(0, value, true),
  INT64: (view, value: bigint) => view.setBigInt64(0, value, true),
  UINT8: (view, value: number) => view.setUint8(0, value),
  UINT16: (view, value: number) => view.setUint16(0, value, true),
  UINT32: (view, value: number) => view.setUint32(0, value, true),
  UINT64: (view, value: bigint) => view.setBigUint64(0, value, true),
  FP32: (view, value: number) => view.setFloat32(0, value, true),
  FP64: (view, value: number) => view.setFloat64(0, value, true),
};

const widths: Readonly<Record<string, number>> = { BOOL: 1, FP32: 4, FP64: 8 };

/** The values of contents as raw bytes. */
function contentBytes({ datatype, contents }: ModelInferResponse["outputs"][number]): Uint8Array {
  if (!contents) return expect.fail("neither raw nor contents");
  if (datatype === "BYTES") {
    const elements = contents.bytesContents;
    return Buffer.concat(tensorSegments(bytesTensor([elements.length], elements)));
  }
  const { boolContents, intContents, int64Contents, uintContents, uint64Contents } = contents;
  const values: readonly unknown[] = [
    ...[...boolContents, ...intContents, ...int64Contents, ...uintContents, ...uint64Contents],
    ...[...contents.fp32Contents, ...contents.fp64Contents],
  ];
  const width = widths[datatype] ?? Number(/\d+$/.exec(datatype)) / 8;
  const bytes = new Uint8Array(values.length * width);
  for (const [index, value] of values.entries()) {
    writers[datatype]?.(new DataView(bytes.buffer, index * width), value as never);
  }
  return bytes;
}

/** Texts of what is not finite, so that NaN is like NaN. */
function floats(bytes: Uint8Array): readonly unknown[] {
  const view = Buffer.from(bytes);
  return Array.from({ length: bytes.byteLength / 4 }, (_, index) => {
    const value = view.readFloatLE(index * 4);
    return Number.isFinite(value) ? value : String(value);
  });
}

function bytesElements(bytes: Buffer): readonly string[] {
  const elements: string[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const start = at + 4;
    at = start + bytes.readUInt32LE(at);
    elements.push(bytes.toString("utf8", start, at));
  }
  return elements;
}
