import { type ScoringClient, ScoringError } from "@tensorgate/client";
import { counted } from "@tensorgate/core";
import { type Backbone, type Example, referencePicture } from "@tensorgate/teaching";
import { CommandError } from "../command-error.ts";
import { createProgressBar } from "../score/progress-bar.ts";
import type { LabelledPicture } from "./labelled-pictures.ts";

export interface FeatureOptions {
  readonly client: ScoringClient;
  /** Model with features. */
  readonly model: string;
  readonly concurrency: number;
}

export interface PictureFeatures {
  readonly examples: readonly Example[];
  readonly backbone: Backbone;
  /** Pictures that have no features, with the reason of each. */
  readonly failures: readonly string[];
}

/** Share of pictures that may fail; more of them mean that something is wrong. */
const maxFailedShare = 0.2;

/**
 * Asks a gateway for the features of pictures, and for those of the reference picture.
 *
 * @throws CommandError if the gateway cannot be reached, too many pictures fail, or the model changes meanwhile
 */
export async function pictureFeatures(
  pictures: readonly LabelledPicture[],
  { client, model, concurrency }: FeatureOptions,
): Promise<PictureFeatures> {
  const reference = await referenceFeatures(client, model);
  const { version } = reference.meta;
  const examples: Example[] = [];
  const failures: string[] = [];
  const byPath = new Map(pictures.map(({ path, classIndex }) => [path, classIndex]));
  const bar = createProgressBar(pictures.length, process.stderr);
  for await (const outcome of client.embedAll(model, byPath.keys(), { concurrency })) {
    const { input: id } = outcome;
    bar.advance(!outcome.ok);
    if (!outcome.ok) {
      failures.push(`${id}: ${outcome.error.message}`);
      if (failures.length > 10 + pictures.length * maxFailedShare) break;
      continue;
    }
    if (outcome.value.meta.version !== version) {
      bar.end();
      throw new CommandError(
        `model ${model} changed from version ${version} to ${outcome.value.meta.version} while its features were read; try again`,
      );
    }
    const features = Float32Array.from(outcome.value);
    examples.push({ id, classIndex: byPath.get(id) ?? 0, features });
  }
  bar.end();
  if (failures.length > pictures.length * maxFailedShare) {
    throw new CommandError(
      `${counted(failures.length, "picture")} of ${pictures.length} have no features: ${failures[0]}`,
    );
  }
  // They come in the order of their answers, and the same pictures must teach the same head.
  examples.sort((a, b) => (a.id < b.id ? -1 : 1));
  const backbone = {
    model,
    version: version ?? "0",
    reference: Float32Array.from(reference),
  };
  return { examples, backbone, failures };
}

async function referenceFeatures(client: ScoringClient, model: string) {
  try {
    return await client.embed(model, referencePicture());
  } catch (thrown) {
    if (!ScoringError.is(thrown)) throw thrown;
    throw new CommandError(`cannot read features of ${model}: ${thrown.message}`);
  }
}
