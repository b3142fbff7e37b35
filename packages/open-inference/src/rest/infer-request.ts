import {
  InvalidRequestError,
  type Parameters,
  parseJsonBody,
  type Tensor,
  type WorkBudget,
} from "@tensorgate/core";
import {
  assertNoSharedMemory,
  assertUnique,
  type InferRequest,
  type RequestedOutput,
  requestedOutput,
  requestSettings,
  wholeNumber,
} from "../infer.ts";
import { tensorFromJson } from "../json/json-values.ts";
import { tensorFromBytes, tensorHead } from "../tensor-bytes.ts";
import { exactJson } from "./exact-json.ts";
import {
  arrayAt,
  type JsonObject,
  numbersAt,
  objectAt,
  parametersAt,
  textAt,
} from "./json-object.ts";

/**
 * Reads the body of an inference request: JSON, and after it the bytes of binary tensors in the order of the inputs.
 * Binary tensors are views of the body.
 *
 * @param jsonBytes - length of the JSON: `Inference-Header-Content-Length`; all of the body without that header
 * @param budget - charged an element for each value and key of the JSON, and for each element of BYTES
 * @throws InvalidRequestError, with what is wrong; TooLargeError where the budget ends; NotSupportedError for a sequence
 */
export function readInferBody(
  body: Uint8Array,
  budget: WorkBudget,
  jsonBytes: number = body.byteLength,
): InferRequest {
  const json = body.subarray(0, jsonBytes);
  const root = objectAt(parseJsonBody(json, budget), "the body");
  const { id = "", outputs = [] } = root;
  const settings = requestSettings(parametersAt(root["parameters"], "parameters"));
  const blobs = createBlobs(body.subarray(jsonBytes));
  const exactInputs = once(() => arrayAt(objectAt(exactJson(json, budget), "")["inputs"], ""));
  const inputs = arrayAt(root["inputs"], "inputs").map((value, index) => {
    const where = `inputs[${index}]`;
    const input = objectAt(value, where);
    const exact = () => objectAt(exactInputs()[index], where)["data"];
    const name = textAt(input["name"], `${where}.name`);
    return [name, readInput(input, { name, where, blobs, budget, exact })] as const;
  });
  assertUnique(
    "input",
    inputs.map(([name]) => name),
  );
  blobs.assertAllRead();
  return {
    ...settings,
    id: textAt(id, "id"),
    inputs: new Map(inputs),
    outputs: readOutputs(outputs),
  };
}

/** Longest `Inference-Header-Content-Length`, in digits. */
const maxLengthDigits = 15;

/**
 * Reads the header `Inference-Header-Content-Length`.
 *
 * @throws InvalidRequestError unless it is a whole number of bytes, of a body that long
 */
export function readJsonLength(header: string, bodyBytes: number): number {
  const isNumber = /^\d+$/.test(header) && header.length <= maxLengthDigits;
  if (isNumber && Number(header) <= bodyBytes) return Number(header);
  throw new InvalidRequestError(
    isNumber
      ? `inference-header-content-length is ${header}, but the body has ${bodyBytes} bytes`
      : "inference-header-content-length must be a whole number of bytes",
    { field: "inference-header-content-length" },
  );
}

interface InputContext {
  readonly name: string;
  readonly where: string;
  readonly blobs: Blobs;
  readonly budget: WorkBudget;
  readonly exact: () => unknown;
}

function readInput(input: JsonObject, { name, where, blobs, budget, exact }: InputContext): Tensor {
  const datatype = textAt(input["datatype"], `${where}.datatype`);
  const shape = numbersAt(input["shape"], `${where}.shape`);
  const head = tensorHead({ name, datatype, shape });
  const parameters = parametersAt(input["parameters"], `${where}.parameters`);
  assertNoSharedMemory(name, parameters);
  const binaryBytes = wholeNumber(parameters, "binary_data_size");
  const { data } = input;
  if (binaryBytes !== undefined) {
    if (data === undefined) return tensorFromBytes(head, blobs.take(binaryBytes), budget);
    throw new InvalidRequestError(`${where} has both data and binary_data_size`, { field: where });
  }
  if (data === undefined) {
    throw new InvalidRequestError(`${where} has no data`, {
      field: where,
      hint: 'send "data", or the bytes after the JSON with "binary_data_size" in its parameters',
    });
  }
  return tensorFromJson(head, { values: data, exact, isBase64: isBase64(parameters) });
}

const isBase64 = (parameters: Parameters) => parameters.get("content_type") === "base64";

function readOutputs(value: unknown): readonly RequestedOutput[] {
  const outputs = arrayAt(value, "outputs").map((each, index) => {
    const where = `outputs[${index}]`;
    const output = objectAt(each, where);
    return requestedOutput(
      textAt(output["name"], `${where}.name`),
      parametersAt(output["parameters"], `${where}.parameters`),
    );
  });
  assertUnique(
    "output",
    outputs.map(({ name }) => name),
  );
  return outputs;
}

/** The bytes after the JSON, which the inputs take in their order. */
interface Blobs {
  take(byteCount: number): Uint8Array;
  assertAllRead(): void;
}

function createBlobs(bytes: Uint8Array): Blobs {
  let at = 0;
  return {
    take: (byteCount) => {
      const start = at;
      at += byteCount;
      if (at <= bytes.byteLength) return bytes.subarray(start, at);
      throw new InvalidRequestError(
        `the inputs declare more binary data than the ${bytes.byteLength} bytes after the JSON`,
        { field: "binary_data_size", hint: "inference-header-content-length is the JSON's length" },
      );
    },
    assertAllRead: () => {
      if (at === bytes.byteLength) return;
      throw new InvalidRequestError(
        `${bytes.byteLength - at} bytes are left over after the binary data of the inputs`,
        { field: "binary_data_size" },
      );
    },
  };
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
