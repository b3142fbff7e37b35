import http from "node:http";
import { gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { expect } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { type Expected, expectMatch, plain } from "./matchers.ts";

/** A part of a body, as the cases' README describes it. */
type Part =
  | { readonly utf8: string }
  | { readonly b64: string }
  | { readonly picture: string }
  | { readonly gzip: readonly Part[] }
  | { readonly bytes_tensor_of_pictures: readonly string[] }
  | { readonly json_with_picture: unknown }
  | { readonly multipart_pictures: readonly string[] }
  | { readonly oip_binary: BinaryHead; readonly blobs: readonly Part[] };

interface BinaryHead {
  readonly inputs: readonly { readonly parameters?: object }[];
}

interface ExpectedOutput {
  readonly name: string;
  readonly datatype?: string;
  readonly b64: string;
}

export interface ExpectedAnswer {
  readonly status: number | readonly number[];
  readonly headers?: Expected;
  readonly error?: true;
  readonly mentions?: readonly string[];
  readonly json?: Expected;
  readonly binary_outputs?: readonly ExpectedOutput[];
  readonly binary_outputs_names?: readonly string[];
}

/** A request by HTTP. */
export interface InferenceRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body_utf8?: string;
  readonly body_b64?: string;
  readonly body_parts?: readonly Part[];
}

/** A whole exchange by the protocol's REST API. */
export interface InferenceRestCase {
  readonly name: string;
  readonly server?: "keys";
  readonly request: InferenceRequest;
  readonly expect: ExpectedAnswer | { readonly one_of: readonly ExpectedAnswer[] };
}

/** Sends the request of a case, and expects its answer. */
export async function expectInferenceAnswer(
  port: number,
  { request, expect: wanted }: InferenceRestCase,
): Promise<void> {
  const answer = await exchanged(port, request);
  if (!("one_of" in wanted)) return expectAnswer(answer, wanted);
  const faults: unknown[] = [];
  for (const each of wanted.one_of) {
    try {
      return expectAnswer(answer, each);
    } catch (thrown) {
      faults.push(thrown);
    }
  }
  expect.fail(faults.map((fault) => (fault as Error).message).join("\nor: "));
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

const unpackers = { gzip: gunzipSync, deflate: inflateSync };

/** Sends exactly what a case says: no header but those of the case, the host and the length. */
export async function exchanged(port: number, request: InferenceRequest): Promise<Answer> {
  const { method, path, body_utf8, body_b64, body_parts } = request;
  const headers = { ...request.headers };
  let body: Buffer | undefined;
  if (body_utf8 !== undefined) body = Buffer.from(body_utf8);
  else if (body_b64 !== undefined) body = Buffer.from(body_b64, "base64");
  else if (body_parts) body = joined(body_parts, headers);
  if (body) headers["content-length"] = String(body.byteLength);
  return new Promise((resolve, reject) => {
    const sent = http.request({ port, host: "127.0.0.1", method, path, headers, agent: false });
    sent.once("error", reject);
    sent.once("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("end", () => {
        const received = Buffer.concat(chunks);
        const unpack = unpackers[response.headers["content-encoding"] as keyof typeof unpackers];
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: unpack ? unpack(received) : received,
        });
      });
    });
    sent.end(body);
  });
}

const pictureNamed = (file: string) => samplePicture(file.replace(/\.jpg$/, ""));

const boundary = "boundary-of-pictures";

/** @param headers - `$auto` of a length becomes that of the JSON, `$multipart` the type of a form */
function joined(parts: readonly Part[], headers: Record<string, string>): Buffer {
  return Buffer.concat(parts.map((part) => partBytes(part, headers)));
}

function partBytes(part: Part, headers: Record<string, string>): Uint8Array {
  if ("utf8" in part) return Buffer.from(part.utf8);
  if ("b64" in part) return Buffer.from(part.b64, "base64");
  if ("picture" in part) return pictureNamed(part.picture);
  if ("gzip" in part) return gzipSync(joined(part.gzip, headers));
  if ("bytes_tensor_of_pictures" in part) return bytesTensor(part.bytes_tensor_of_pictures);
  if ("json_with_picture" in part) {
    const text = JSON.stringify(part.json_with_picture);
    return Buffer.from(
      text.replace(/\$base64:([\w.-]+)/g, (_, file: string) =>
        Buffer.from(pictureNamed(file)).toString("base64"),
      ),
    );
  }
  if ("multipart_pictures" in part) {
    for (const [name, value] of Object.entries(headers)) {
      if (value === "$multipart") headers[name] = `multipart/form-data; boundary=${boundary}`;
    }
    const parts = part.multipart_pictures.flatMap((file) => [
      Buffer.from(
        `--${boundary}\r\ncontent-disposition: form-data; name="f"; filename="${file}"\r\ncontent-type: image/jpeg\r\n\r\n`,
      ),
      pictureNamed(file),
      Buffer.from("\r\n"),
    ]);
    return Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]);
  }
  const blobs = part.blobs.map((blob) => partBytes(blob, headers));
  const inputs = part.oip_binary.inputs.map((input, index) => ({
    ...input,
    parameters: { ...input.parameters, binary_data_size: blobs[index]?.byteLength },
  }));
  const head = Buffer.from(JSON.stringify({ ...part.oip_binary, inputs }));
  for (const [name, value] of Object.entries(headers)) {
    if (value === "$auto") headers[name] = String(head.byteLength);
  }
  return Buffer.concat([head, ...blobs]);
}

function bytesTensor(files: readonly string[]): Buffer {
  return Buffer.concat(
    files.flatMap((file) => {
      const picture = pictureNamed(file);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(picture.byteLength);
      return [length, picture];
    }),
  );
}

export function expectAnswer({ status, headers, body }: Answer, wanted: ExpectedAnswer): void {
  expect([wanted.status].flat(), body.toString().slice(0, 300)).toContain(status);
  if (wanted.headers) expectMatch(headers, wanted.headers, "headers");
  const length = Number(headers["inference-header-content-length"] ?? body.byteLength);
  const names = wanted.binary_outputs_names;
  if (!wanted.json && !wanted.error && !wanted.binary_outputs && !names) return;
  const text = new TextDecoder("utf-8", { fatal: true }).decode(body.subarray(0, length));
  const json = JSON.parse(text);
  if (wanted.error) {
    expect(json.error, text).toEqual(expect.any(String));
    for (const mention of wanted.mentions ?? []) {
      expect(plain(json.error)).toContain(plain(mention));
    }
  }
  if (wanted.json) expectMatch(json, wanted.json);
  if (wanted.binary_outputs || names) expectBlobs(json, body.subarray(length), wanted);
}

interface AnsweredOutput {
  readonly name: string;
  readonly data?: unknown;
  readonly parameters?: { readonly binary_data_size?: number };
}

function expectBlobs(
  { outputs }: { readonly outputs: readonly AnsweredOutput[] },
  bytes: Buffer,
  { binary_outputs = [], binary_outputs_names = [] }: ExpectedAnswer,
): void {
  let at = 0;
  const found = new Map<string, { output: AnsweredOutput; blob: Buffer }>();
  for (const output of outputs) {
    const size = output.parameters?.binary_data_size;
    if (size === undefined) continue;
    expect(output.data).toBeUndefined();
    found.set(output.name, { output, blob: bytes.subarray(at, at + size) });
    at += size;
  }
  expect(at).toBe(bytes.byteLength);
  expect([...found.keys()]).toEqual(expect.arrayContaining([...binary_outputs_names]));
  for (const { b64, ...head } of binary_outputs) {
    const { output, blob } = found.get(head.name) ?? expect.fail(`${head.name} is not binary`);
    expectMatch(output, head);
    const wanted = Buffer.from(b64, "base64");
    if (head.datatype === "FP32") expectMatch(floats(blob), floats(wanted), head.name);
    else expect(blob.toString("hex")).toBe(wanted.toString("hex"));
  }
}

/** Texts, so that NaN is like NaN. */
function floats(bytes: Buffer): readonly unknown[] {
  return Array.from({ length: bytes.byteLength / 4 }, (_, index) => {
    const value = bytes.readFloatLE(index * 4);
    return Number.isFinite(value) ? value : String(value);
  });
}
