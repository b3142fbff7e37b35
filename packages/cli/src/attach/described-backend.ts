import {
  type DType,
  elementCount,
  floatValues,
  isFloat,
  type PixelType,
  type Tensor,
  type TensorInfo,
} from "@tensorgate/core";
import type { BackendCapabilities } from "@tensorgate/gateway";
import {
  type DetectorPresetName,
  declaredPixels,
  type Family,
  type FamilyName,
  families,
  guessFamily,
} from "@tensorgate/tf-serving";
import { type DescribedBackend, describedDetector } from "./described-detector.ts";

/** One output of a backend. */
interface SeenOutput {
  /** Name on the wire. */
  readonly name: string;
  readonly graphName: string;
  readonly dtype: DType;
  /** Without the batch axis; undefined if unknown. */
  readonly extents: readonly number[] | undefined;
  readonly sample: Tensor | undefined;
}

/** What flags say of a model. */
export interface GivenDescription {
  readonly family?: FamilyName;
  readonly detector?: DetectorPresetName;
}

/** Describes a backend by its signature and test response. @param given - what the user set */
export function describedBackend(
  findings: BackendCapabilities,
  { family: given, detector }: GivenDescription = {},
): DescribedBackend {
  const outputs = seenOutputs(findings);
  const guess = given
    ? { family: given, because: "given" as const }
    : guessFamily({
        modelName: findings.model,
        outputNames: outputs.flatMap(({ name, graphName }) => [name, graphName]),
        outputWidths: outputs.map(({ extents }) => extents && elementCount(extents)),
      });
  const family = guess && families.get(guess.family);
  if (!family || detector) {
    return describedDetector(findings, detector) ?? withoutFamily(findings, outputs);
  }
  const byName =
    guess.because === "name"
      ? [`the family was guessed from the model's name; check that it is ${family.title}`]
      : [];
  const described = ofFamily(findings, outputs, family);
  return { ...described, doubts: [...byName, ...described.doubts] };
}

function seenOutputs({ signature, outputs }: BackendCapabilities): readonly SeenOutput[] {
  if (!signature) {
    return [...outputs].map(([name, sample]) => ({
      name,
      graphName: name,
      dtype: sample.dtype,
      extents: sample.shape.slice(1),
      sample,
    }));
  }
  const hasBatch = !isScalar(inputOf({ signature }));
  return [...signature.outputs].map(([name, { graphName = "", dtype, shape }]) => ({
    name,
    graphName,
    dtype,
    extents: hasBatch ? shape?.slice(1) : shape,
    sample: outputs.get(name),
  }));
}

function ofFamily(
  findings: BackendCapabilities,
  outputs: readonly SeenOutput[],
  family: Family,
): DescribedBackend {
  const { dialect, model: name, input } = findings;
  const expectedInput = family.input.on[dialect];
  const pixels = pixelType(inputOf(findings)?.dtype);
  const isOtherName = input !== undefined && input !== expectedInput;
  const given = {
    ...(isOtherName && { tensor: input }),
    ...(pixels && { kind: "pixels" as const, ...(pixels !== "FP32" && { dtype: pixels }) }),
  };
  const names = new Set(outputs.map((output) => output.name));
  const isExpected = (each: Family["outputs"][number]) =>
    names.has(each.on[dialect]) || [...names].some((seen) => each.pattern?.test(seen));
  const missing = family.outputs.filter((each) => each.holds !== "features" && !isExpected(each));
  const outputDoubts =
    missing.length > 0 && outputs.length !== 1
      ? [
          `expected the outputs ${missing.map(({ on }) => on[dialect]).join(", ")}; it has ${[...names].join(", ")}`,
        ]
      : [];
  return {
    model: {
      name,
      family: family.name,
      ...(Object.keys(given).length > 0 && { input: given }),
    },
    doubts: [...outputDoubts, labelDoubt(family)],
  };
}

/** A graph does not tell its classes: one that was trained on others looks the same. */
function labelDoubt({ title, task, labels }: Family): string {
  const [count, what] =
    task === "detect" ? [labels.length - 1, "Pascal VOC's"] : [labels.length, "ImageNet's"];
  return `the labels are assumed to be ${title}'s usual ones, ${what} ${count} classes; if it was trained on others, set labels: ./labels.txt`;
}

/** Returns the dtype of pixels; undefined for a type that pixels are not sent in. */
function pixelType(dtype: DType | undefined): PixelType | undefined {
  return dtype === "FP32" || dtype === "FP16" || dtype === "UINT8" ? dtype : undefined;
}

/** Returns whether the graph decodes one picture. */
function isScalar(info: TensorInfo | undefined): boolean {
  return info?.dtype === "BYTES" && info.shape?.length === 0;
}

function inputOf({ signature }: Pick<BackendCapabilities, "signature">): TensorInfo | undefined {
  const all = [...(signature?.inputs.values() ?? [])];
  return all.length === 1 ? all[0] : undefined;
}

function withoutFamily(
  findings: BackendCapabilities,
  outputs: readonly SeenOutput[],
): DescribedBackend {
  const { model: name } = findings;
  const input = describedInput(findings);
  if (!input) {
    return {
      model: { name },
      doubts: ["the model does not take a single image; it can be scored by tensors"],
    };
  }
  const scores =
    outputs.filter(isClassScores).toSorted((a, b) => rank(b) - rank(a))[0] ??
    (outputs.length === 1 ? outputs.find(isSingleScore) : undefined);
  const features = outputs.find((each) => each !== scores && isFeatures(each));
  const output = {
    ...(scores && { [scores.name]: { holds: holdsOf(scores) } }),
    ...(features && { [features.name]: { holds: "features" as const } }),
  };
  const count = scores?.extents?.[0];
  const isImagenet = count === 1_000 || count === 1_001;
  const isBinary = scores !== undefined && isSingleScore(scores);
  return {
    model: {
      name,
      input: input.options,
      ...(Object.keys(output).length > 0 && { output }),
      ...(isImagenet && { labels: "imagenet" as const }),
      ...(isBinary && { classCount: 2 }),
    },
    doubts: [
      ...input.doubts,
      ...(scores ? scoreDoubts(scores, isImagenet) : ["no output looks like class scores"]),
      ...(features ? [`"${features.name}" is assumed to hold features`] : []),
    ],
  };
}

function scoreDoubts(scores: SeenOutput, isImagenet: boolean): readonly string[] {
  const { name, extents } = scores;
  if (isSingleScore(scores)) {
    return [
      `"${name}" gives one number, which is assumed to hold ${holdsOf(scores)} of the second of two classes; add labels: ./labels.txt with both`,
    ];
  }
  const labels = isImagenet
    ? `"${name}" gives ${extents?.[0]} scores; check that its classes are ImageNet's in the usual order`
    : `no labels for the ${extents?.[0] ?? "unknown number of"} scores of "${name}"; add labels: ./labels.txt, one label per line`;
  return [`"${name}" is assumed to hold ${holdsOf(scores)}`, labels];
}

function describedInput(findings: BackendCapabilities) {
  const info = inputOf(findings);
  const { input: tensor } = findings;
  if (tensor === undefined) return undefined;
  if (!info || info.dtype === "BYTES") {
    const scalar = isScalar(info) && { scalar: true };
    return { options: { tensor, kind: "encoded-image" as const, ...scalar }, doubts: [] };
  }
  const pixels = declaredPixels(info);
  if (!pixels) return undefined;
  const { heightPx, widthPx, layout, dtype, channelCount } = pixels;
  const isGrayscale = channelCount === 1;
  const isOpen = heightPx === undefined || widthPx === undefined;
  return {
    options: {
      tensor,
      kind: "pixels" as const,
      ...(isOpen ? { resize: "fit" as const } : { heightPx, widthPx }),
      ...(layout !== "nhwc" && { layout }),
      ...(isGrayscale && { channelOrder: "grayscale" as const }),
      ...(dtype !== "FP32" && { dtype }),
    },
    doubts: [
      `pixels are sent unscaled, 0 to 255, ${isGrayscale ? "as one channel of luma" : "in the order red, green, blue"}${dtype === "UINT8" ? "" : "; set the mean and scale that the model was trained with"}`,
    ],
  };
}

const isClassScores = ({ dtype, extents }: SeenOutput) =>
  isFloat(dtype) && extents?.length === 1 && (extents[0] ?? 0) !== 1;

/** Returns whether an output has one number per picture, such as a sigmoid. */
const isSingleScore = ({ dtype, extents }: SeenOutput) =>
  isFloat(dtype) && extents !== undefined && elementCount(extents) === 1;

const isFeatures = ({ name, graphName, dtype }: SeenOutput) =>
  isFloat(dtype) && /feature|embed|pool/i.test(`${name} ${graphName}`);

/** Ranks an output by how likely it holds class scores. */
function rank({ name, graphName }: SeenOutput): number {
  const text = `${name} ${graphName}`;
  if (/prob|softmax|score|class|output_alias/i.test(text)) return 2;
  return /logit|predict/i.test(text) ? 1 : 0;
}

/** Guesses what an output holds, by its value for the test picture or by its name. */
function holdsOf({ name, graphName, sample }: SeenOutput): "probabilities" | "logits" {
  if (sample && isFloat(sample.dtype)) {
    const values = floatValues(sample);
    const sum = values.reduce((total, value) => total + value, 0);
    const isShare = values.every((value) => value >= 0 && value <= 1);
    const isWhole = values.length === 1 || Math.abs(sum - 1) < 0.01;
    return isShare && isWhole ? "probabilities" : "logits";
  }
  return /logit/i.test(`${name} ${graphName}`) ? "logits" : "probabilities";
}
