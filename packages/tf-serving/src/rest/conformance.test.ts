import type { Tensor } from "@tensorgate/core";
import { joined } from "@tensorgate/core";
import type { Feature } from "@tensorgate/proto/tensorflow/example";
import { expect, test } from "vitest";
import { casesOf, hasCases } from "../../../../test/support/conformance-cases.ts";
import { ServingError } from "../serving-error.ts";
import { readExampleBody } from "./example-body.ts";
import { classificationAnswerJson, regressionAnswerJson } from "./inference-answer.ts";
import { readJsonBody } from "./json-body.ts";
import { readModelPath } from "./model-path.ts";
import { predictAnswerJson } from "./predict-answer.ts";
import { readPredictBody } from "./predict-body.ts";
import { restErrorBody } from "./rest-json.ts";

test.skipIf(hasCases)("TensorFlow Serving's cases are skipped: their folder is not here", () => {});

type Value = number | string | boolean | { readonly utf8: string } | { readonly b64: string };

interface TensorCase {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values?: readonly Value[];
}

interface Failure {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
}

const numeric = {
  DT_FLOAT: ["FP32", Float32Array],
  DT_DOUBLE: ["FP64", Float64Array],
  DT_INT32: ["INT32", Int32Array],
  DT_INT16: ["INT16", Int16Array],
  DT_INT8: ["INT8", Int8Array],
  DT_UINT8: ["UINT8", Uint8Array],
  DT_UINT16: ["UINT16", Uint16Array],
  DT_UINT32: ["UINT32", Uint32Array],
  DT_INT64: ["INT64", BigInt64Array],
  DT_UINT64: ["UINT64", BigUint64Array],
  DT_BOOL: ["BOOL", Uint8Array],
  DT_HALF: ["FP16", Uint16Array],
  DT_BFLOAT16: ["BF16", Uint16Array],
  DT_COMPLEX64: ["COMPLEX64", Float64Array],
} as const;

type Numeric = (typeof numeric)[keyof typeof numeric];

const numericOf = (dtype: string): Numeric | undefined => numeric[dtype as keyof typeof numeric];

/** TensorFlow's name of a type in texts. */
function typeName(dtype: string): string {
  const names = new Map([
    ["DT_FLOAT", "float"],
    ["DT_DOUBLE", "double"],
    ["DT_INVALID", "INVALID"],
  ]);
  return names.get(dtype) ?? dtype.replace("DT_", "").toLowerCase();
}

const bytesOf = (value: Value): Uint8Array =>
  typeof value === "object" && "utf8" in value
    ? Buffer.from(value.utf8)
    : Buffer.from((value as { b64: string }).b64, "base64");

/** The elements of a case in the array of their type, which wraps what is too wide. */
function elementsOf({ dtype, shape, values = [] }: TensorCase): Float64Array {
  const [, View] = numericOf(dtype) ?? numeric.DT_DOUBLE;
  const isBig = View === BigInt64Array || View === BigUint64Array;
  const made = new View(shape.reduce((all, extent) => all * extent, 1));
  for (const [index, value] of values.entries()) {
    const number = value === "-0" ? -0 : Number(value);
    if (isBig) (made as BigInt64Array)[index] = BigInt(value as string);
    else (made as Float64Array)[index] = number;
  }
  return made as Float64Array;
}

function tensorOf(each: TensorCase): Tensor {
  const { dtype, shape, values = [] } = each;
  if (dtype === "DT_STRING") return { dtype: "BYTES", shape, elements: values.map(bytesOf) };
  const [name] = numericOf(dtype) ?? numeric.DT_DOUBLE;
  return { dtype: name, shape, data: new Uint8Array(elementsOf(each).buffer) };
}

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

function failureOf(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof ServingError) return { code: thrown.codeName, message: thrown.message };
    throw thrown;
  }
  throw new Error("it did not fail");
}

interface RequestCase {
  readonly name: string;
  readonly tensorinfo: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly body_b64?: string;
  readonly body_gen?: { prefix: string; parts: readonly [string, number][]; suffix: string };
  readonly expect:
    | Failure
    | {
        readonly ok: true;
        readonly format: string;
        readonly signature_name: string;
        readonly tensors: Readonly<Record<string, TensorCase>>;
      };
}

function bodyOf({ body, body_b64, body_gen }: RequestCase): Uint8Array {
  if (body !== undefined) return Buffer.from(body);
  if (body_b64 !== undefined) return new Uint8Array(Buffer.from(body_b64, "base64"));
  const { prefix, parts, suffix } = body_gen ?? { prefix: "", parts: [], suffix: "" };
  return Buffer.from(prefix + parts.map(([part, count]) => part.repeat(count)).join("") + suffix);
}

test.each(casesOf<RequestCase>("json_tensor_request.jsonl"))(
  "json_tensor_request.jsonl: $name",
  (each) => {
    const { tensorinfo, expect: expected } = each;
    const types = new Map(Object.entries(tensorinfo).map(([name, type]) => [name, typeName(type)]));
    const read = () => {
      const body = readJsonBody(bodyOf(each));
      return { ...readPredictBody(body, types), signatureName: body.signatureName };
    };
    if (!expected.ok) {
      expect(failureOf(read)).toEqual({ code: expected.code, message: expected.message });
      return;
    }
    const { format, signatureName, inputs } = read();
    expect({ format, signatureName }).toEqual({
      format: expected.format,
      signatureName: expected.signature_name,
    });
    expect([...inputs.keys()].toSorted()).toEqual(Object.keys(expected.tensors).toSorted());
    for (const [name, wanted] of Object.entries(expected.tensors)) {
      const tensor = inputs.get(name);
      expect(tensor?.shape).toEqual(wanted.shape);
      if (tensor?.dtype === "BYTES") {
        expect(tensor.elements.map(latin1)).toEqual(wanted.values?.map(bytesOf).map(latin1));
        continue;
      }
      const exact = elementsOf(wanted);
      const { buffer } = new Uint8Array(tensor?.data ?? []);
      const got = new (exact.constructor as typeof Float64Array)(buffer);
      expect(got.length).toBe(exact.length);
      for (const [index, value] of exact.entries()) {
        // The original reads a double to within three units of the last place.
        const isClose =
          wanted.dtype === "DT_DOUBLE" &&
          Math.abs((got[index] ?? 0) - value) <= Math.abs(value) * 1e-15;
        if (!isClose) expect(got[index]).toBe(value);
      }
    }
  },
);

interface ResponseCase {
  readonly name: string;
  readonly kind: "predict" | "classify" | "regress" | "error";
  readonly request_format?: "row" | "columnar";
  readonly outputs?: Readonly<Record<string, TensorCase>>;
  readonly result?: readonly unknown[];
  readonly message?: string;
  readonly expect: Failure | { readonly ok?: true; readonly text: string };
}

function answerOf({
  kind,
  outputs = {},
  request_format = "row",
  result = [],
  message,
}: ResponseCase) {
  switch (kind) {
    case "predict": {
      const tensors = Object.entries(outputs).map(
        ([name, each]) => [name, tensorOf(each)] as const,
      );
      return joined([...predictAnswerJson(new Map(tensors), request_format)]);
    }
    case "classify": {
      const classifications = (result as readonly (readonly [string, number][])[]).map(
        (classes) => ({
          classes: classes.map(([label, score]) => ({ label, score: Math.fround(Number(score)) })),
        }),
      );
      return joined([...classificationAnswerJson(classifications as never)]);
    }
    case "regress": {
      const regressions = result.map((value) => ({ value: Math.fround(Number(value)) }));
      return joined([...regressionAnswerJson(regressions as never)]);
    }
    case "error":
      return Buffer.from(restErrorBody(message ?? ""));
  }
}

/** JSON with the original's words for numbers, and members in any order. */
const parsed = (text: string) => JSON.parse(text.replaceAll(/\b(NaN|-?Infinity)\b/g, '"$1"'));

test.each(casesOf<ResponseCase>("json_tensor_response.jsonl"))(
  "json_tensor_response.jsonl: $name",
  (each) => {
    const { expect: expected, outputs = {} } = each;
    if (expected.ok === false) {
      const { message } = expected;
      expect(failureOf(() => answerOf(each)).message).toBe(message);
      return;
    }
    const text = latin1(answerOf(each));
    const wanted = latin1(Buffer.from(expected.text));
    // The original lists several outputs in no certain order.
    if (Object.keys(outputs).length > 1) expect(parsed(text)).toEqual(parsed(wanted));
    else expect(text).toBe(wanted);
  },
);

interface ExampleCase {
  readonly name: string;
  readonly body: string;
  readonly expect:
    | Failure
    | { readonly ok: true; readonly kind: string; readonly examples: unknown; context?: unknown };
}

function featureOf({ kind }: Feature): unknown {
  const plain = (value: number) => (Number.isFinite(value) ? value : String(value));
  switch (kind.case) {
    case "bytesList":
      return {
        bytes_list: kind.value.value.map((bytes) => ({ utf8: Buffer.from(bytes).toString() })),
      };
    case "floatList":
      return { float_list: kind.value.value.map(plain) };
    case "int64List":
      return { int64_list: kind.value.value.map(String) };
    default:
      return {};
  }
}

test.each(casesOf<ExampleCase>("classify_regress_request.jsonl"))(
  "classify_regress_request.jsonl: $name",
  (each) => {
    const { body, expect: expected } = each;
    const read = () => readExampleBody(readJsonBody(Buffer.from(body)));
    if (!expected.ok) {
      expect(failureOf(read).message).toBe(expected.message);
      return;
    }
    const { kind } = read();
    expect(kind.case).toBe(
      expected.kind === "example_list" ? "exampleList" : "exampleListWithContext",
    );
    expect(
      kind.value?.examples.map(({ features }) =>
        Object.fromEntries(
          Object.entries(features?.feature ?? {}).map(([name, feature]) => [
            name,
            featureOf(feature),
          ]),
        ),
      ),
    ).toEqual(expected.examples);
  },
);

interface PathCase {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly expect: {
    readonly matched: boolean;
    readonly status: string;
    readonly model_name: string;
    readonly version: string | null;
    readonly label: string | null;
    readonly api: string;
    readonly subresource: string;
  };
}

test.each(casesOf<PathCase>("rest_path.jsonl"))(
  "rest_path.jsonl: $name",
  ({ method, path, expect: wanted }) => {
    const read = readModelPath(method, path);
    if (!wanted.matched) {
      expect(read).toBeUndefined();
      return;
    }
    expect(read).toMatchObject({
      model: wanted.model_name,
      verb: wanted.api || wanted.subresource,
    });
    // One that is beyond int64 is found when it is made a number.
    if (wanted.status === "OK") expect(read?.version ?? null).toBe(wanted.version);
    expect(read?.versionLabel ?? null).toBe(wanted.label);
  },
);
