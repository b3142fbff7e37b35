import { InvalidRequestError } from "@tensorgate/core";
import { maxClasses } from "./feature-rows.ts";
import { base64FromFloats, floatsFromBase64 } from "./float-text.ts";
import type { TeachingReport } from "./teaching-report.ts";

/** The model whose features a head reads. */
export interface Backbone {
  readonly model: string;
  /** Version that gave the features; only for people, since a copy of it may have another number. */
  readonly version: string;
  /** Features of `referencePicture()`, by which the backbone is recognised. */
  readonly reference: Float32Array;
}

/** Scores classes by features: `softmax(weights · features + bias)`. */
export interface Head {
  readonly classes: readonly string[];
  readonly featureCount: number;
  /** Shape `[classes.length, featureCount]`, row-major. */
  readonly weights: Float32Array;
  /** Shape `[classes.length]`. */
  readonly bias: Float32Array;
  readonly backbone: Backbone;
  readonly report?: TeachingReport;
}

const kind = "tensorgate-head/1";

/** Most features of a head. */
const maxFeatureCount = 65_536;

/** Most characters of a head's file: a thousand classes on 8,192 features, and a report. */
export const maxHeadChars: number = 64 * 1024 * 1024;

/** Returns the logits of features. @throws RangeError if there are not `featureCount` of them */
export function headLogits(
  { classes, featureCount, weights, bias }: Head,
  features: Float32Array,
): Float32Array {
  if (features.length !== featureCount) {
    throw new RangeError(`expected ${featureCount} features, got ${features.length}`);
  }
  const logits = new Float32Array(classes.length);
  for (let row = 0; row < classes.length; row += 1) {
    let sum = bias[row] as number;
    const from = row * featureCount;
    for (let column = 0; column < featureCount; column += 1) {
      sum += (weights[from + column] as number) * (features[column] as number);
    }
    logits[row] = sum;
  }
  return logits;
}

/** Relative distance of the features of the reference picture from which on a model is another backbone. */
const maxBackboneDistance = 0.1;

/**
 * Returns how far a model's features of `referencePicture()` are from those that a head was taught on, relative to their
 * length, and whether the model counts as the same backbone. Quantised and floating-point copies of a model differ by a
 * few percent, other models by about 1.
 */
export function compareBackbone(
  { reference }: Backbone,
  features: Float32Array,
): { readonly distance: number; readonly isSame: boolean } {
  if (features.length !== reference.length) return { distance: Infinity, isSame: false };
  let squares = 0;
  let length = 0;
  for (let at = 0; at < features.length; at += 1) {
    const own = reference[at] as number;
    squares += ((features[at] as number) - own) ** 2;
    length += own ** 2;
  }
  const distance = Math.sqrt(squares / (length || 1));
  return { distance, isSame: distance <= maxBackboneDistance };
}

/** Writes a head as JSON, its numbers as base64 of little-endian FP32. */
export function headText({ weights, bias, backbone, ...head }: Head): string {
  const { reference, ...model } = backbone;
  const document = {
    kind,
    ...head,
    weights: base64FromFloats(weights),
    bias: base64FromFloats(bias),
    backbone: { ...model, reference: base64FromFloats(reference) },
  };
  return `${JSON.stringify(document)}\n`;
}

/**
 * Reads a head.
 *
 * @throws InvalidRequestError that says what is wrong with the text
 */
export function parseHead(text: string): Head {
  if (text.length > maxHeadChars) throw damaged(`it is longer than ${maxHeadChars} characters`);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw damaged("it is not JSON");
  }
  if (!isRecord(document) || document["kind"] !== kind) throw damaged(`its kind is not "${kind}"`);
  const { classes, featureCount, backbone, report } = document;
  if (
    !Array.isArray(classes) ||
    classes.length < 2 ||
    classes.length > maxClasses ||
    !classes.every((each): each is string => typeof each === "string")
  ) {
    throw damaged(`classes must be 2 to ${maxClasses} names`);
  }
  if (!isCount(featureCount)) throw damaged(`featureCount must be 1 to ${maxFeatureCount}`);
  if (!isRecord(backbone)) throw damaged("it has no backbone");
  const { model, version } = backbone;
  if (typeof model !== "string" || typeof version !== "string") {
    throw damaged("backbone.model and backbone.version must be texts");
  }
  return {
    classes,
    featureCount,
    weights: floats(document, "weights", classes.length * featureCount),
    bias: floats(document, "bias", classes.length),
    backbone: { model, version, reference: floats(backbone, "reference", featureCount) },
    ...(isRecord(report) && { report: report as unknown as TeachingReport }),
  };
}

function floats(
  record: Readonly<Record<string, unknown>>,
  name: string,
  count: number,
): Float32Array {
  const text = record[name];
  const values = typeof text === "string" ? floatsFromBase64(text) : undefined;
  if (!values) throw damaged(`${name} is not base64 of FP32 numbers`);
  if (values.length !== count)
    throw damaged(`${name} has ${values.length} numbers; expected ${count}`);
  if (!values.every(Number.isFinite)) throw damaged(`${name} has numbers that are not finite`);
  return values;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= maxFeatureCount;

function damaged(why: string): InvalidRequestError {
  return new InvalidRequestError(`not a head: ${why}`, {
    hint: "heads are written by `tensorgate teach` and by the page's Teach tab",
  });
}
