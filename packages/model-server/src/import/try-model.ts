import { floatValues, type Tensor } from "@tensorgate/core";
import { preprocessPicture, type RgbImage } from "@tensorgate/imaging";
import { type FamilyName, imagenetLabels } from "@tensorgate/tf-serving";
import { ModelFolderError } from "../manifest.ts";
import { openOnnxSession } from "../session/onnx-session.ts";
import type { ServedOutputs } from "./class-outputs.ts";
import type { OnnxModelInfo } from "./inspect-onnx.ts";
import type { PictureInputInfo } from "./picture-input.ts";

/** A model with a picture to try. */
export interface TriedModel {
  /** An ONNX file. */
  readonly weights: string;
  /** Encoded, or its pixels. */
  readonly picture: Uint8Array | RgbImage;
}

/** Runs a model on a picture. @throws ModelFolderError if the engine cannot */
export async function tryModel(
  { weights, picture }: TriedModel,
  { tensor, preprocessing }: PictureInputInfo,
  { outputs }: OnnxModelInfo,
): Promise<ReadonlyMap<string, Tensor>> {
  const image = picture instanceof Uint8Array ? await decoded(picture) : picture;
  const feeds = new Map([[tensor, preprocessPicture(image, preprocessing)]]);
  try {
    const session = await openOnnxSession({ modelFile: weights, threads: 1 }, () => {});
    try {
      return await session.run(
        feeds,
        outputs.filter(({ dtype }) => dtype !== undefined).map(({ name }) => name),
      );
    } finally {
      await session.close();
    }
  } catch (cause) {
    throw new ModelFolderError(
      `the engine cannot run ${weights}: ${(cause as Error).message.trim()}`,
      { cause },
    );
  }
}

/** A server decodes in its own processes, and never loads what this does. */
async function decoded(picture: Uint8Array): Promise<RgbImage> {
  const { decodePicture } = await import("@tensorgate/imaging/decode");
  return await decodePicture(picture, { maxPixels: 25_000_000 });
}

/** Scores that are shares of one are probabilities, and so is a single score that is a share. */
export function holdsOf(
  raw: ReadonlyMap<string, Tensor>,
  outputs: ServedOutputs,
): "probabilities" | "logits" {
  const scores = classScores(outputs, raw);
  if (!scores) return "probabilities";
  const values = floatValues(scores);
  const sum = values.reduce((total, value) => total + value, 0);
  const areShares = values.every((value) => value >= 0 && value <= 1);
  const isWhole = values.length === 1 || Math.abs(sum - 1) < 0.01;
  return areShares && isWhole ? "probabilities" : "logits";
}

/** Returns the scores of classes among the outputs of a trial. */
export function classScores(
  outputs: ServedOutputs,
  raw: ReadonlyMap<string, Tensor>,
): Tensor | undefined {
  const found = Object.entries(outputs).find(
    ([, { holds }]) => holds === "probabilities" || holds === "logits",
  );
  return found && raw.get(found[1].tensor ?? found[0]);
}

/** @throws ModelFolderError if there are not as many labels as scores */
export function assertLabels(
  labels: readonly string[],
  outputs: ServedOutputs,
  raw: ReadonlyMap<string, Tensor>,
): void {
  const scores = classScores(outputs, raw);
  const count = scores && floatValues(scores).length;
  if (labels.length === 0 || count === undefined || labels.length === count) return;
  if (count === 1 && labels.length === 2) return;
  throw new ModelFolderError(
    `${labels.length} labels are listed, but the model gives ${count} scores`,
  );
}

/** A thousand scores are assumed to be ImageNet's classes. */
export function usualLabels(
  { family }: { readonly family?: FamilyName },
  outputs: ServedOutputs,
  raw: ReadonlyMap<string, Tensor>,
): readonly string[] {
  const isThousand = classScores(outputs, raw)?.shape.at(-1) === imagenetLabels.length;
  return family === undefined && isThousand ? imagenetLabels : [];
}
