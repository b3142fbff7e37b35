import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import {
  type ChannelOrder,
  defaultSignatureName,
  floatValues,
  labelsFromText,
  type PerChannel,
  textFromUtf8,
} from "@tensorgate/core";
import { testPicture } from "@tensorgate/gateway";
import type { AddedModel, Layout, ModelToAdd } from "@tensorgate/model-server";
import {
  cocoLabels,
  cocoLabelsByNumber,
  type DetectorPresetName,
  type FamilyName,
  imagenetLabels,
  vocLabels,
} from "@tensorgate/tf-serving";
import { CommandError, UsageError } from "../command-error.ts";
import { importModelServer } from "../import-model-server.ts";
import { channelsFrom, layoutFrom, sizeFrom } from "../pixel-texts.ts";

export interface AddModelOptions {
  readonly weights?: string;
  readonly models: string;
  readonly family?: FamilyName;
  readonly detector?: DetectorPresetName;
  readonly layout?: Layout;
  readonly size?: readonly [number, number];
  readonly resize?: number | "warp" | "letterbox";
  readonly mean?: PerChannel;
  readonly std?: PerChannel;
  readonly channelOrder?: ChannelOrder;
  readonly labels?: string;
  readonly holds?: "probabilities" | "logits";
  readonly version?: bigint;
}

/** Adds an ONNX model to the folder of a model server; asks for what it cannot find out. */
export async function runAddModel(name: string, options: AddModelOptions): Promise<void> {
  const { addModel, MissingOptionError } = await importModelServer();
  const { weights, models, size, labels, version, ...rest } = options;
  if (weights === undefined) {
    throw new UsageError("name the ONNX model with --weights, as in --weights model.onnx");
  }
  let model: ModelToAdd = {
    ...rest,
    name,
    weights,
    directory: resolve(models),
    picture: testPicture,
    ...(size && { sizePx: size }),
    ...(labels !== undefined && { labels: labelsFrom(labels) }),
    ...(version !== undefined && { version }),
  };
  for (;;) {
    try {
      return reportAdded(await addModel(model), model);
    } catch (thrown) {
      const isFolder = thrown instanceof Error && thrown.name === "ModelFolderError";
      if (!isFolder) throw thrown;
      if (!(thrown instanceof MissingOptionError) || !process.stdin.isTTY) {
        throw new CommandError(thrown.message);
      }
      model = { ...model, ...(await askUser(thrown.option, thrown.message)) };
    }
  }
}

/** Returns a known list, or the names in a file, one per line. */
export function labelsFrom(text: string): readonly string[] {
  if (text === "imagenet") return imagenetLabels;
  if (text === "pascal-voc") return vocLabels;
  if (text === "coco") return cocoLabels;
  if (text === "coco-by-number") return cocoLabelsByNumber;
  try {
    return labelsFromText(textFromUtf8(readFileSync(text)));
  } catch (thrown) {
    throw new CommandError(`cannot read ${text}: ${(thrown as Error).message}`);
  }
}

/** Asks the user. */
async function askUser(option: string, question: string): Promise<Partial<ModelToAdd>> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const ask = (prompt: string) => lines.question(`${prompt}\n> `);
    switch (option) {
      case "layout":
        return { layout: layoutFrom(await ask(question)) };
      case "size":
        return { sizePx: sizeFrom(await ask(question)) };
      default:
        return {
          mean: channelsFrom(await ask(`${question}\nmean`)),
          std: channelsFrom(await ask("standard deviation")),
        };
    }
  } finally {
    lines.close();
  }
}

/** Prints what a model is, and how it is served. */
export function reportAdded(
  added: AddedModel,
  { name, directory }: Pick<ModelToAdd, "name" | "directory">,
): void {
  const { facts, folder, version, manifest, assumptions, outputs } = added;
  const { outputs: served = {} } = manifest.signatures[defaultSignatureName] ?? {};
  const lines = [
    `ONNX of ${facts.producer || "an unknown producer"}, operator set ${facts.operatorSet}`,
    ...assumptions.map((text) => `assumed: ${text}`),
    ...Object.entries(served).map(
      ([output, { holds, shape }]) =>
        `gives ${output}: ${holds} [${shape?.join(", ") ?? "any shape"}]`,
    ),
    bestClass(outputs, manifest),
    manifest.detector ? `boxes are read by preset ${manifest.detector.preset}` : "",
    `added ${name}, version ${version}, in ${folder}`,
    `serve it: tensorgate demo --models ${directory}`,
  ];
  process.stdout.write(`${lines.filter((line) => line !== "").join("\n")}\n`);
}

function bestClass(outputs: AddedModel["outputs"], { labels, signatures }: AddedModel["manifest"]) {
  const { outputs: served = {} } = signatures[defaultSignatureName] ?? {};
  const scores = Object.entries(served).find(
    ([, { holds }]) => holds === "probabilities" || holds === "logits",
  );
  const tensor = scores && outputs.get(scores[0]);
  if (!tensor) return "";
  const values = floatValues(tensor);
  const best = bestIndex(values, scores[1].holds === "logits" ? 0 : 0.5);
  return `the test picture is class ${best}${labels[best] === undefined ? "" : `, "${labels[best]}"`}`;
}

/** @param threshold - above which a single score is that of the second of two classes */
function bestIndex(values: Float32Array, threshold: number): number {
  if (values.length === 1) return (values[0] ?? 0) > threshold ? 1 : 0;
  return values.reduce((at, value, index) => (value > (values[at] ?? 0) ? index : at), 0);
}
