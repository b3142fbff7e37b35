import type {
  DialectNames,
  FixedSizeDType,
  ModelSpec,
  ScoreResponse,
  Tensor,
} from "@tensorgate/core";
import { fieldTag, MessageReader } from "@tensorgate/core";
import { readEntry, readModelSpec, responseField } from "./predict.ts";
import {
  createTensorBudget,
  readTensorProto,
  type TensorBudget,
  type TensorBudgetOptions,
} from "./tensor-proto.ts";

export interface PredictReplyOptions {
  /** Replaces what is missing in the model spec of the reply: not every backend fills it in. */
  readonly asked: ModelSpec;
  /** Canonical names; without them outputs keep their wire names. */
  readonly names?: DialectNames | undefined;
  readonly budget?: TensorBudget;
}

/**
 * Reads a `PredictResponse`; the tensors view `message`. An output with an unknown or duplicate name keeps its wire name.
 *
 * @throws MalformedMessageError, TensorParsingError; TooLargeError if the message has more elements than the budget,
 *   or a name is longer than a key may be
 */
export function scoreResponseFromPredictResponse(
  message: Uint8Array,
  { asked, names, budget = createTensorBudget() }: PredictReplyOptions,
): ScoreResponse {
  return responseOf(readReply(message, names, budget), asked);
}

/**
 * Reads a `PredictResponse` as `scoreResponseFromPredictResponse` does.
 *
 * @param asked - the model by which replies are remembered; replaces what is missing in the model spec of the reply
 */
export type ReadPredictReply = (
  message: Uint8Array,
  asked: ModelSpec,
  names?: DialectNames,
) => ScoreResponse;

/**
 * Creates a reader that remembers, for each model, how its last reply was laid out. The next one mostly differs by the
 * values of its tensors only, and is then not parsed: it holds the same as the last one, and costs the same, with its
 * own values.
 *
 * @param limits - what each reply may cost to read
 */
export function createPredictReplyReader(limits: TensorBudgetOptions): ReadPredictReply {
  const layouts = new Map<string, ReplyLayout>();
  return (message, asked, names) => {
    const last = layouts.get(asked.name);
    if (last && last.names === names && isLaidOut(message, last)) {
      const outputs = new Map<string, Tensor>();
      for (const { name, dtype, shape, start, end } of last.tensors) {
        outputs.set(name, { dtype, shape, data: message.subarray(start, end) });
      }
      return responseOf({ spec: last.spec, outputs, matchedNames: last.matchedNames }, asked);
    }
    const reply = readReply(message, names, createTensorBudget(limits));
    const layout = layoutOf(message, reply, names);
    if (layout) layouts.set(asked.name, layout);
    return responseOf(reply, asked);
  };
}

interface PredictReply {
  readonly spec: ModelSpec | undefined;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly matchedNames: ReadonlyMap<string, string> | undefined;
}

function responseOf(
  { spec = anyModel, outputs, matchedNames }: PredictReply,
  asked: ModelSpec,
): ScoreResponse {
  const version = spec.version ?? asked.version ?? 0n;
  const model = { name: spec.name || asked.name, version };
  return matchedNames ? { model, outputs, matchedNames } : { model, outputs };
}

const anyModel: ModelSpec = { name: "" };

const outputsTag = fieldTag(responseField.outputs);
const modelSpecTag = fieldTag(responseField.modelSpec);

function readReply(
  message: Uint8Array,
  names: DialectNames | undefined,
  budget: TensorBudget,
): PredictReply {
  const { elements } = budget;
  const outputs = new Map<string, Tensor>();
  let unknown: Map<string, Tensor> | undefined;
  let spec: ModelSpec | undefined;
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.tag === outputsTag) {
      const entry = readEntry(reader.bytes(), elements);
      const name = names ? names.canonicalOutputs.get(entry.name) : entry.name;
      const tensor = readTensorProto(entry.tensor, budget);
      if (name !== undefined) {
        outputs.set(name, tensor);
        continue;
      }
      unknown ??= new Map();
      unknown.set(entry.name, tensor);
    } else if (reader.tag === modelSpecTag) {
      spec = readModelSpec(reader.bytes(), elements);
    } else reader.skip();
  }
  let matchedNames: Map<string, string> | undefined;
  for (const [wire, tensor] of unknown ?? []) {
    const name = canonicalName(wire, names, outputs);
    if (name !== wire) {
      matchedNames ??= new Map();
      matchedNames.set(name, wire);
    }
    outputs.set(name, tensor);
  }
  return { spec, outputs, matchedNames };
}

/**
 * Returns the canonical name of an output with an unknown wire name: by a pattern, unless that name is taken already.
 */
export function canonicalName(
  wireName: string,
  names: Pick<DialectNames, "patterns"> | undefined,
  taken: ReadonlyMap<string, unknown>,
): string {
  const name = names?.patterns.find(({ pattern }) => pattern.test(wireName))?.name;
  return name === undefined || taken.has(name) ? wireName : name;
}

/** A reply, with all that its parsing depends on, without the values of its tensors. */
interface ReplyLayout {
  readonly names: DialectNames | undefined;
  readonly byteCount: number;
  /** All bytes beside the values, by their places. */
  readonly gaps: readonly { readonly start: number; readonly bytes: Uint8Array }[];
  readonly spec: ModelSpec | undefined;
  /** In the order of the response's outputs. */
  readonly tensors: readonly LaidOutTensor[];
  readonly matchedNames: ReadonlyMap<string, string> | undefined;
}

interface LaidOutTensor {
  readonly name: string;
  readonly dtype: FixedSizeDType;
  readonly shape: readonly number[];
  /** Where its values begin in the reply. */
  readonly start: number;
  readonly end: number;
}

/** Most bytes beside the values that are kept and compared, for each model. */
const maxGapBytes = 4_096;

/**
 * Returns how a reply is laid out; undefined if its parsing depends on a value, as that of varints and strings does, or
 * the layout would be large. Values on which nothing depends are viewed where they lie.
 */
function layoutOf(
  message: Uint8Array,
  { spec, outputs, matchedNames }: PredictReply,
  names: DialectNames | undefined,
): ReplyLayout | undefined {
  const tensors: LaidOutTensor[] = [];
  let gapBytes = message.byteLength;
  for (const [name, tensor] of outputs) {
    // Truth values are viewed, too, but not all bytes are some.
    if (tensor.dtype === "BYTES" || tensor.dtype === "BOOL") return undefined;
    const { dtype, shape, data } = tensor;
    if (data.buffer !== message.buffer) return undefined;
    const start = data.byteOffset - message.byteOffset;
    tensors.push({ name, dtype, shape, start, end: start + data.byteLength });
    gapBytes -= data.byteLength;
  }
  if (gapBytes > maxGapBytes) return undefined;
  // Copied: a view would keep all of the reply.
  const gaps: { start: number; bytes: Uint8Array }[] = [];
  let start = 0;
  for (const tensor of tensors.toSorted((one, other) => one.start - other.start)) {
    gaps.push({ start, bytes: new Uint8Array(message.subarray(start, tensor.start)) });
    start = tensor.end;
  }
  gaps.push({ start, bytes: new Uint8Array(message.subarray(start)) });
  return { names, byteCount: message.byteLength, gaps, spec, tensors, matchedNames };
}

/** Whether a reply differs from one that is laid out so by the values of its tensors only. */
function isLaidOut(message: Uint8Array, { byteCount, gaps }: ReplyLayout): boolean {
  if (message.byteLength !== byteCount) return false;
  for (const { start, bytes } of gaps) {
    for (let at = 0; at < bytes.byteLength; at += 1) {
      if (message[start + at] !== bytes[at]) return false;
    }
  }
  return true;
}
