import type { DialectNames, ModelSpec, ScoreRequest } from "@tensorgate/core";
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
}

const entryTag = fieldTag(requestField.inputs);
const tensorTag = fieldTag(2);
const pictureTag = fieldTag(tensorProtoField.stringVal);

/**
 * Creates a framer that remembers, for each model, what its last request with a single picture had beside the picture:
 * the next one differs by its lengths only.
 */
export function createPictureFramer(): FramePredict {
  const frames = new Map<string, Frame>();
  return (request, names) => {
    const { name } = request.modelSpec;
    const last = frames.get(name);
    const picture = last && pictureIn(last, request, names);
    if (picture) return framed(last, picture);
    const frame = frameOf(request, names);
    const first = frame && pictureIn(frame, request, names);
    if (!first) return predictRequestSegments(request, names);
    frames.set(name, frame);
    return framed(frame, first);
  };
}

/** Returns the picture of a request that has all else in common with those of the frame; undefined for any other one. */
function pictureIn(
  frame: Frame,
  { modelSpec, inputs, outputFilter }: ScoreRequest,
  names: DialectNames | undefined,
): Uint8Array | undefined {
  const { version, versionLabel, signatureName = "" } = frame.modelSpec;
  const tensor = inputs.get(frame.input);
  if (
    tensor?.dtype === "BYTES" &&
    tensor.elements.length === 1 &&
    inputs.size === 1 &&
    frame.names === names &&
    version === modelSpec.version &&
    versionLabel === modelSpec.versionLabel &&
    signatureName === (modelSpec.signatureName ?? "") &&
    hasSame(frame.shape, tensor.shape) &&
    hasSame(frame.outputFilter, outputFilter)
  ) {
    return tensor.elements[0];
  }
  return undefined;
}

function hasSame(one: readonly unknown[], other: readonly unknown[]): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index += 1) {
    if (one[index] !== other[index]) return false;
  }
  return true;
}

/** Returns what a request has beside its picture; undefined unless that is its only input. */
function frameOf(request: ScoreRequest, names: DialectNames | undefined): Frame | undefined {
  const { modelSpec, inputs, outputFilter } = request;
  const [[input, tensor] = []] = inputs;
  if (input === undefined || inputs.size > 1) return undefined;
  if (tensor?.dtype !== "BYTES" || tensor.elements.length !== 1) return undefined;
  const { shape } = tensor;
  const head = new MessageWriter().messageField(requestField.modelSpec, modelSpecWriter(modelSpec));
  const key = new MessageWriter().stringField(1, names?.inputs.get(input) ?? input);
  const tail = new MessageWriter();
  for (const name of outputFilter) {
    tail.stringField(requestField.outputFilter, names?.outputs.get(name) ?? name);
  }
  return {
    modelSpec,
    input,
    shape: [...shape],
    outputFilter: [...outputFilter],
    names,
    head: joined(head.finish()),
    key: joined(key.finish()),
    tensor: joined(tensorProtoWriter({ dtype: "BYTES", shape, elements: [] }, "content").finish()),
    tail: joined(tail.finish()),
  };
}

function framed({ head, key, tensor, tail }: Frame, picture: Uint8Array): readonly Uint8Array[] {
  const pictureBytes = picture.byteLength;
  const tensorBytes = tensor.byteLength + 1 + varintBytes(pictureBytes) + pictureBytes;
  const entryBytes = key.byteLength + 1 + varintBytes(tensorBytes) + tensorBytes;
  const front = new Uint8Array(
    head.byteLength + 1 + varintBytes(entryBytes) + entryBytes - pictureBytes,
  );
  front.set(head);
  let at = writeField(front, head.byteLength, { tag: entryTag, byteCount: entryBytes });
  front.set(key, at);
  at = writeField(front, at + key.byteLength, { tag: tensorTag, byteCount: tensorBytes });
  front.set(tensor, at);
  writeField(front, at + tensor.byteLength, { tag: pictureTag, byteCount: pictureBytes });
  return tail.byteLength > 0 ? [front, picture, tail] : [front, picture];
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
