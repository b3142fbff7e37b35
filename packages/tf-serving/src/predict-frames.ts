import type { DialectNames, DType, ModelSpec, ScoreRequest, Tensor } from "@tensorgate/core";
import { fieldTag, joined, MessageWriter } from "@tensorgate/core";
import { modelSpecWriter, predictRequestSegments, requestField } from "./predict.ts";
import { tensorProtoWriter } from "./tensor-proto.ts";
import { tensorProtoField } from "./tensor-proto-fields.ts";

/** Frames a `PredictRequest`, as `predictRequestSegments` does. */
export type FramePredict = (request: ScoreRequest, names?: DialectNames) => readonly Uint8Array[];

/** What the requests of consecutive calls of a model have in common, encoded. */
interface Frame {
  readonly modelSpec: ModelSpec;
  readonly input: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly outputFilter: readonly string[];
  readonly names: DialectNames | undefined;
  /** The model spec. */
  readonly head: Uint8Array;
  /** The name of the input, in its entry. */
  readonly key: Uint8Array;
  /** Type and shape of the tensor. */
  readonly tensor: Uint8Array;
  /** The output filter. */
  readonly tail: Uint8Array;
  /** Length of the values of the last request, in bytes; a tensor of a shape has it always, pictures differ. */
  valueBytes: number;
  /** What stood before them. */
  front: Uint8Array;
}

/** Most bytes that are kept of a request, for each model. */
const maxFrameBytes = 4_096;

const noBytes = new Uint8Array();

const entryTag = fieldTag(requestField.inputs);
const tensorTag = fieldTag(2);
const stringTag = fieldTag(tensorProtoField.stringVal);
const contentTag = fieldTag(tensorProtoField.tensorContent);

/**
 * Creates a framer that remembers, for each model, what its last request with a single picture or tensor had beside the
 * values: the next one mostly differs by them, and by lengths, only.
 */
export function createPredictFramer(): FramePredict {
  const frames = new Map<string, Frame>();
  return (request, names) => {
    const { name } = request.modelSpec;
    const last = frames.get(name);
    const values = last && valuesIn(last, request, names);
    if (values) return framed(last, values);
    const frame = hasOneValue(request) ? frameOf(request, names) : undefined;
    const first = frame && valuesIn(frame, request, names);
    if (!first) return predictRequestSegments(request, names);
    frames.set(name, frame);
    return framed(frame, first);
  };
}

/** Whether a frame can be made for a request: several strings are not framed, nor a tensor without values. */
function hasOneValue({ inputs }: ScoreRequest): boolean {
  const tensor = inputs.size === 1 ? inputs.values().next().value : undefined;
  if (tensor?.dtype === "BYTES") return tensor.elements.length === 1;
  return tensor !== undefined && tensor.data.byteLength > 0;
}

/**
 * Returns the values of a request that has all else in common with those of the frame: its only string, or the bytes of
 * its tensor. Undefined for any other one, and for a tensor without values, which has no field for them.
 */
function valuesIn(
  frame: Frame,
  { modelSpec, inputs, outputFilter }: ScoreRequest,
  names: DialectNames | undefined,
): Uint8Array | undefined {
  const { version, versionLabel, signatureName = "" } = frame.modelSpec;
  const tensor = inputs.get(frame.input);
  if (
    tensor?.dtype !== frame.dtype ||
    inputs.size > 1 ||
    frame.names !== names ||
    version !== modelSpec.version ||
    versionLabel !== modelSpec.versionLabel ||
    signatureName !== (modelSpec.signatureName ?? "") ||
    !hasSame(frame.shape, tensor.shape) ||
    !hasSame(frame.outputFilter, outputFilter)
  ) {
    return undefined;
  }
  if (tensor.dtype !== "BYTES") return tensor.data.byteLength > 0 ? tensor.data : undefined;
  return tensor.elements.length === 1 ? tensor.elements[0] : undefined;
}

function hasSame(one: readonly unknown[], other: readonly unknown[]): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index += 1) {
    if (one[index] !== other[index]) return false;
  }
  return true;
}

/** Returns what a request has beside its values; undefined if it has not one input, or too much to be kept. */
function frameOf(request: ScoreRequest, names: DialectNames | undefined): Frame | undefined {
  const { modelSpec, inputs, outputFilter } = request;
  const [[input, first] = []] = inputs;
  if (input === undefined || !first || inputs.size > 1) return undefined;
  const { dtype, shape } = first;
  const none: Tensor =
    dtype === "BYTES" ? { dtype, shape, elements: [] } : { dtype, shape, data: noBytes };
  const filter = new MessageWriter();
  for (const name of outputFilter) {
    filter.stringField(requestField.outputFilter, names?.outputs.get(name) ?? name);
  }
  const spec = new MessageWriter().messageField(requestField.modelSpec, modelSpecWriter(modelSpec));
  const name = new MessageWriter().stringField(1, names?.inputs.get(input) ?? input);
  const head = joined(spec.finish());
  const key = joined(name.finish());
  const tensor = joined(tensorProtoWriter(none, "content").finish());
  const tail = joined(filter.finish());
  const byteCount = head.byteLength + key.byteLength + tensor.byteLength + tail.byteLength;
  if (byteCount > maxFrameBytes) return undefined;
  return {
    modelSpec,
    input,
    dtype,
    shape: [...shape],
    outputFilter: [...outputFilter],
    names,
    head,
    key,
    tensor,
    tail,
    valueBytes: Number.NaN,
    front: noBytes,
  };
}

/** @param values - of a string or a tensor */
function framed(frame: Frame, values: Uint8Array): readonly Uint8Array[] {
  if (frame.valueBytes !== values.byteLength) {
    frame.front = frontOf(frame, values.byteLength);
    frame.valueBytes = values.byteLength;
  }
  const { front, tail } = frame;
  return tail.byteLength > 0 ? [front, values, tail] : [front, values];
}

/** Returns what stands before values of a length. */
function frontOf({ dtype, head, key, tensor }: Frame, valueBytes: number): Uint8Array {
  const tensorBytes = tensor.byteLength + 1 + varintBytes(valueBytes) + valueBytes;
  const entryBytes = key.byteLength + 1 + varintBytes(tensorBytes) + tensorBytes;
  const front = new Uint8Array(
    head.byteLength + 1 + varintBytes(entryBytes) + entryBytes - valueBytes,
  );
  front.set(head);
  let at = writeField(front, head.byteLength, { tag: entryTag, byteCount: entryBytes });
  front.set(key, at);
  at = writeField(front, at + key.byteLength, { tag: tensorTag, byteCount: tensorBytes });
  front.set(tensor, at);
  const tag = dtype === "BYTES" ? stringTag : contentTag;
  writeField(front, at + tensor.byteLength, { tag, byteCount: valueBytes });
  return front;
}

interface FieldStart {
  /** Below 128: one byte. */
  readonly tag: number;
  readonly byteCount: number;
}

/** Writes the tag and the length of a field. @returns where its value goes */
function writeField(target: Uint8Array, from: number, { tag, byteCount }: FieldStart): number {
  let at = from;
  target[at++] = tag;
  let rest = byteCount;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) target[at++] = (rest % 0x80) | 0x80;
  target[at++] = rest;
  return at;
}

/** Length of a number below 2^35 as a varint. */
function varintBytes(value: number): number {
  if (value < 2 ** 7) return 1;
  if (value < 2 ** 14) return 2;
  if (value < 2 ** 21) return 3;
  return value < 2 ** 28 ? 4 : 5;
}
