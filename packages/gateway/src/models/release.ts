import type { ModelOutput, ResolvedModel, Task, Weights } from "@tensorgate/core";
import type { Head } from "@tensorgate/teaching";
import {
  cocoLabels,
  cocoLabelsByNumber,
  type Dialect,
  dialects,
  type Family,
  type FamilyOutput,
  families,
  identityNames,
  imagenetLabels,
  namesByDialect,
  type TensorNames,
  vocLabels,
} from "@tensorgate/tf-serving";
import type { DetectionOptions } from "./detection/detector-options.ts";
import {
  describedDetector,
  detectionFrom,
  type ReleaseDetector,
} from "./detection/release-detector.ts";
import type { Golden } from "./golden/golden-pictures.ts";
import type { TensorNameOptions } from "./input-options.ts";
import type { ModelOptions } from "./options.ts";
import { type PictureInput, pictureInput } from "./picture-input.ts";
import type { LabelListName, OutputOptions } from "./release-options.ts";

/** A model together with what its inputs and outputs mean. Immutable; replaced whole when configuration changes. */
export interface Release extends ResolvedModel {
  readonly family: Family | undefined;
  /** What it can be asked for, the first one before all. */
  readonly tasks: readonly Task[];
  readonly picture: PictureInput | undefined;
  readonly outputs: readonly ModelOutput[];
  /** Output that holds a score per class, and how to read it. */
  readonly classScores: NamedOutput<"probabilities" | "logits"> | undefined;
  readonly features: NamedOutput<"features"> | undefined;
  readonly detector: ReleaseDetector | undefined;
  readonly detection: Required<DetectionOptions>;
  readonly labels: readonly string[];
  /** Scores that the configuration speaks of; undefined where it does not. */
  readonly classCount: number | undefined;
  readonly weights: Weights;
  /** Pictures that its replicas take in one call; an integer >= 1. */
  readonly batchSize: number;
  /** Pictures that its replicas must label as expected. */
  readonly golden?: Golden | undefined;
  /** Present if it is a head on the features of another release. */
  readonly head?: ReleaseHead;
}

/** What makes a release a head on another one. */
export interface ReleaseHead {
  readonly head: Head;
  readonly version: bigint;
  /** The release that gives the features. */
  readonly backbone: Release;
}

/** What the options of a model alone say of it. */
export type DescribedRelease = Omit<Release, "revision" | "batchSize">;

interface NamedOutput<Holds> {
  readonly tensor: string;
  readonly holds: Holds;
  /**
   * Outputs to request from a replica: this one if its name is configured, otherwise all, since a server rejects a name
   * that it does not have.
   */
  readonly filter: readonly string[];
}

export function releaseFromOptions(options: ModelOptions): DescribedRelease {
  const family = options.family === undefined ? undefined : families.get(options.family);
  const described = describedDetector(options);
  const outputs = describedOutputs(options, { family, ofDetector: described?.outputs ?? [] });
  const classScores = outputs.find(isClassScores);
  const features = outputs.find(({ holds }) => holds === "features");
  const detector = described ?? ssdHead(outputs);
  const input = describedInput(options, family);
  const picture = input && pictureInput(options, { tensor: input.name, family });
  return {
    name: options.name,
    signatureName: options.signature,
    family,
    tasks: tasksOf(options, {
      classify: input !== undefined && classScores !== undefined,
      detect: input !== undefined && detector !== undefined,
      embed: input !== undefined && features !== undefined,
      predict: true,
    }),
    picture,
    outputs: outputs.map(catalogOutput),
    classScores: classScores && {
      tensor: classScores.name,
      holds: classScores.holds === "logits" ? "logits" : "probabilities",
      filter: filterOf(classScores),
    },
    features: features && {
      tensor: features.name,
      holds: "features",
      filter: filterOf(features),
    },
    detector,
    detection: detectionFrom(options),
    labels: labelsOf(options, {
      family,
      hasBackground: detector !== undefined && hasBackground(detector),
    }),
    classCount:
      options.classCount ?? (Array.isArray(options.labels) ? options.labels.length : undefined),
    weights: options.weights ?? "given",
    ...repetition(options),
    residency: options.residency,
    encodedInput: picture?.preprocessing ? undefined : picture?.tensor,
    wireNames: namesByDialect({ inputs: input ? [input] : [], outputs }),
  };
}

/** A model that is cached or hedged is idempotent unless it says otherwise. */
function repetition({ family, input, cache = false, hedge = false, idempotent }: ModelOptions) {
  const isDescribed = family !== undefined || input !== undefined || cache || hedge;
  const isIdempotent = idempotent ?? isDescribed;
  return { isIdempotent, isCached: cache && isIdempotent, mayHedge: hedge && isIdempotent };
}

function ssdHead(outputs: readonly DescribedOutput[]): ReleaseDetector | undefined {
  const names = outputs.filter(({ holds }) => holds === "boxes").map(({ name }) => name);
  return names.length === 0 ? undefined : { kind: "ssd-head", outputs: names };
}

/** Whether its classes begin with the background. */
function hasBackground(detector: ReleaseDetector): boolean {
  return detector.kind === "ssd-head" || detector.format.background === "first";
}

interface DescribedOutput extends TensorNames {
  readonly holds: ModelOutput["holds"];
  readonly shape?: readonly number[];
  /** Whether the configuration gives its name, rather than the family. */
  readonly isNamed: boolean;
}

function isClassScores({ holds }: Pick<DescribedOutput, "holds">): boolean {
  return holds === "probabilities" || holds === "logits";
}

const filterOf = ({ name, isNamed }: DescribedOutput) => (isNamed ? [name] : []);

function catalogOutput({ name, holds, shape }: DescribedOutput): ModelOutput {
  return { name, holds, ...(shape && { dtype: "FP32" as const, shape }) };
}

interface OutputSources {
  readonly family: Family | undefined;
  /** Names of the outputs that a detector reads. */
  readonly ofDetector: readonly string[];
}

/**
 * The outputs of the family or the detector, those in the configuration in their place: by name, or as what they hold.
 */
function describedOutputs(
  { output = {} }: ModelOptions,
  { family, ofDetector }: OutputSources,
): readonly DescribedOutput[] {
  const named = Object.entries(output).map(([key, options]) => outputFrom(key, options, family));
  const isGiven = (name: string) => named.some((each) => each.name === name);
  const read = ofDetector
    .filter((name) => !isGiven(name))
    .map((name) => outputFrom(name, { holds: "boxes" }, family));
  const given = [...named, ...read];
  const isReplaced = (of: FamilyOutput) =>
    given.some(
      (each) =>
        each.name === of.name ||
        (isClassScores(each) && isClassScores(of)) ||
        (each.holds === "features" && of.holds === "features"),
    );
  const inherited = (family?.outputs ?? []).flatMap((each): readonly DescribedOutput[] => {
    const sameName = given.find(({ name }) => name === each.name);
    if (sameName) return [sameName];
    return isReplaced(each) ? [] : [{ ...each, isNamed: false }];
  });
  return [...inherited, ...given.filter((each) => !inherited.includes(each))];
}

function outputFrom(
  key: string,
  { tensor, holds }: OutputOptions,
  family: Family | undefined,
): DescribedOutput {
  const base = family?.outputs.find(({ name }) => name === key) ?? identityNames(key);
  return { ...overridden(base, tensor), holds, isNamed: true };
}

/** Replaces names of `base`, its pattern included, by configured ones. */
function overridden(base: TensorNames, tensor: TensorNameOptions | undefined): TensorNames {
  if (tensor === undefined) return base;
  const configured = (dialect: Dialect) => (typeof tensor === "string" ? tensor : tensor[dialect]);
  const on = Object.fromEntries(
    dialects.map((dialect) => [dialect, configured(dialect) ?? base.on[dialect]]),
  ) as Record<Dialect, string>;
  return { name: base.name, on };
}

/** @returns undefined for a model that takes no picture */
function describedInput(
  { input, variant = "quantized" }: ModelOptions,
  family: Family | undefined,
): TensorNames | undefined {
  if (!family) return input && overridden(identityNames(ownInputName(input.tensor)), input.tensor);
  const takesPixels = input?.kind === "pixels" || family.pixelVariants.includes(variant);
  return overridden(takesPixels ? family.pixelInput : family.input, input?.tensor);
}

/** Without a family an input is called what it is called on the wire, or `images` where that depends. */
function ownInputName(tensor: TensorNameOptions | undefined): string {
  return typeof tensor === "string" ? tensor : "images";
}

/**
 * A family's labels are of no use to a model with another number of classes. The classes of a detector begin with the
 * background, which people leave out of their lists.
 */
function labelsOf(
  { labels, classCount }: ModelOptions,
  {
    family,
    hasBackground,
  }: { readonly family: Family | undefined; readonly hasBackground: boolean },
): readonly string[] {
  const given = typeof labels === "string" ? labelLists[labels] : labels;
  if (given) return hasBackground && given[0] !== background ? [background, ...given] : given;
  const ofFamily = family?.labels ?? [];
  return classCount === undefined || classCount === ofFamily.length ? ofFamily : [];
}

const labelLists: Readonly<Record<LabelListName, readonly string[]>> = {
  imagenet: imagenetLabels,
  "pascal-voc": vocLabels,
  coco: cocoLabels,
  "coco-by-number": cocoLabelsByNumber,
};

const background = "background";

function tasksOf({ task }: ModelOptions, able: Readonly<Record<Task, boolean>>): readonly Task[] {
  const all = (["classify", "detect", "embed", "predict"] as const).filter((each) => able[each]);
  return [...all.filter((each) => each === task), ...all.filter((each) => each !== task)];
}
