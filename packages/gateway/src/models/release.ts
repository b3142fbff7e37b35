import type { ModelOutput, Task, Weights } from "@tensorgate/core";
import type { PictureFormat } from "@tensorgate/imaging";
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

export interface PictureInput {
  /** Name of the tensor that takes the encoded picture. */
  readonly tensor: string;
  readonly formats: ReadonlySet<PictureFormat>;
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
    picture: options.input && {
      tensor: options.input.tensor,
      formats: new Set(options.input.formats ?? graphFormats),
    },
    outputs,
    classScores,
    features: features && { tensor: features.name, holds: "features" },
    labels: options.labels ?? [],
    weights: options.weights ?? "given",
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
