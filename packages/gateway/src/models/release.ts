import type { ModelOutput, Task, Weights } from "@tensorgate/core";
import { decodableFormats, type PictureFormat, type Preprocessing } from "@tensorgate/imaging";
import type { ModelOptions } from "./options.ts";

/** A model together with what its inputs and outputs mean. Immutable; replaced whole when configuration changes. */
export interface Release {
  readonly name: string;
  /** What it can be asked for, the first one before all. */
  readonly tasks: readonly Task[];
  readonly picture: PictureInput | undefined;
  readonly outputs: readonly ModelOutput[];
  /** Output that holds a score per class, and how to read it. */
  readonly classScores: NamedOutput<"probabilities" | "logits"> | undefined;
  readonly features: NamedOutput<"features"> | undefined;
  readonly labels: readonly string[];
  readonly weights: Weights;
}

/** How a picture gets into the model. */
export interface PictureInput {
  /** Name of the tensor that takes it. */
  readonly tensor: string;
  readonly formats: ReadonlySet<PictureFormat>;
  /** Absent where the model takes the picture as it is, encoded. */
  readonly preprocessing?: Preprocessing;
}

interface NamedOutput<Holds> {
  readonly tensor: string;
  readonly holds: Holds;
}

/** What TensorFlow's own decoder in a graph reads. */
const graphFormats: readonly PictureFormat[] = ["jpeg", "png", "gif"];

export function releaseFromOptions(options: ModelOptions): Release {
  const outputs = Object.entries(options.output ?? {}).map(([key, { tensor, holds }]) => ({
    name: tensor ?? key,
    holds,
  }));
  const scores = outputs.find(({ holds }) => holds === "probabilities" || holds === "logits");
  const features = outputs.find(({ holds }) => holds === "features");
  const classScores =
    scores && (scores.holds === "probabilities" || scores.holds === "logits")
      ? { tensor: scores.name, holds: scores.holds }
      : undefined;

  return {
    name: options.name,
    tasks: tasksOf(options, classScores !== undefined, features !== undefined),
    picture: options.input && pictureInput(options.input),
    outputs,
    classScores,
    features: features && { tensor: features.name, holds: "features" },
    labels: options.labels ?? [],
    weights: options.weights ?? "given",
  };
}

function pictureInput(input: NonNullable<ModelOptions["input"]>): PictureInput {
  if (input.kind === "encoded-image") {
    return { tensor: input.tensor, formats: new Set(input.formats ?? graphFormats) };
  }
  const { tensor, heightPx, widthPx, shorterSidePx, mean = [0, 0, 0] } = input;
  const { coordinates = "half-pixel", channelOrder = "rgb", scale = 1 } = input;
  const resize: Preprocessing["resize"] =
    shorterSidePx === undefined
      ? { kind: "warp", heightPx, widthPx }
      : { kind: "shorter-side", px: shorterSidePx, crop: { heightPx, widthPx } };
  return {
    tensor,
    formats: decodableFormats,
    preprocessing: { resize, coordinates, channelOrder, mean, scale },
  };
}

function tasksOf(
  { task, input }: ModelOptions,
  hasScores: boolean,
  hasFeatures: boolean,
): readonly Task[] {
  const able: Task[] = [];
  if (input && hasScores) able.push("classify");
  if (input && hasFeatures) able.push("embed");
  able.push("predict");
  const first = task === undefined ? [] : able.filter((each) => each === task);
  return [...first, ...able.filter((each) => each !== task)];
}
