import { dirname, join, normalize, resolve, sep } from "node:path";
import { floatValues, type Preprocessing, type Tensor } from "@tensorgate/core";
import { type ModelVersion, openRegistry, RegistryError } from "@tensorgate/registry";
import {
  type DetectorPresetName,
  declaredPixels,
  type FamilyName,
  families,
} from "@tensorgate/tf-serving";
import { type Manifest, ModelFolderError } from "../manifest.ts";
import { servedOutputs } from "./class-outputs.ts";
import { type DetectorInfo, detectorInfo } from "./detector-input.ts";
import { inspectOnnx, type OnnxModelInfo } from "./inspect-onnx.ts";
import { type PictureImportOptions, pictureInput } from "./picture-input.ts";
import { assertLabels, classScores, holdsOf, tryModel, usualLabels } from "./try-model.ts";

/** Weights to import, and what the user says of them. */
export interface ModelToAdd extends PictureImportOptions {
  readonly name: string;
  /** An ONNX file. */
  readonly weights: string;
  /** Folder that models are in. */
  readonly directory: string;
  readonly family?: FamilyName;
  /** Form of a detector's outputs; recognized by names and shapes otherwise. */
  readonly detector?: DetectorPresetName;
  /** Class names in the order of the scores. */
  readonly labels?: readonly string[];
  /** What the scores are; inferred from those of the picture by default. */
  readonly holds?: "probabilities" | "logits";
  /** One more than the highest there is by default. */
  readonly version?: bigint;
  /** A picture to try. */
  readonly picture: Uint8Array;
  readonly description?: string;
  /**
   * Whether the weights are known to be trained ones.
   * @default false
   */
  readonly isTrained?: boolean;
  /** Where it comes from; the path of the file by default. */
  readonly source?: string;
  /** Further files of its folder, such as a licence. */
  readonly files?: readonly { readonly path: string; readonly bytes: Uint8Array }[];
}

export interface AddedModel {
  readonly facts: OnnxModelInfo;
  readonly folder: string;
  readonly version: bigint;
  readonly manifest: Manifest;
  /** What was assumed; one sentence each. */
  readonly assumptions: readonly string[];
  /** The outputs for the picture, by the names that they are served under. */
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/**
 * Looks into an ONNX file, tries a picture, and puts it with a manifest where a model server finds it.
 *
 * @throws MissingOptionError for an option that is required, ModelFolderError for options that contradict the model
 */
export async function addModel(model: ModelToAdd): Promise<AddedModel> {
  const { name, weights, family: familyName, labels = [] } = model;
  assertName(name);
  const family = familyName === undefined ? undefined : families.get(familyName);
  const facts = inspectOnnx(weights);
  const declared = family ? undefined : await inspectDetector(model, facts);
  const input = declared?.input ?? pictureInput(facts, model, family);
  const raw = await tryModel(model, input, facts);
  const detector = declared && (detectorInfo(facts, model, raw) ?? declared);
  const labelCount = labels.length;
  const unsure = servedOutputs(facts, family, { holds: "logits", labelCount });
  const holds = model.holds ?? holdsOf(raw, unsure);
  const outputs = detector?.outputs ?? servedOutputs(facts, family, { holds, labelCount });
  assertLabels(labels, outputs, raw);
  const usual = detector?.labels ?? usualLabels(model, outputs, raw);
  const classCount = detector?.guess.classCount;
  const manifest: Manifest = {
    ...(model.description !== undefined && { description: model.description }),
    weights: model.isTrained ? "trained" : "given",
    ...(familyName && { family: familyName }),
    ...(detector && { detector: detector.guess.detector }),
    ...(classCount !== undefined && { classCount }),
    labels: labels.length > 0 ? labels : usual,
    signatures: {
      serving_default: {
        inputs: {
          images: {
            dtype: "BYTES",
            shape: [-1],
            picture: { tensor: input.tensor, preprocessing: input.preprocessing },
          },
        },
        outputs,
      },
    },
  };
  const { version, folder } = await registered(model, { facts, manifest });
  const served = Object.entries(outputs).flatMap(([alias, { tensor = alias }]) => {
    const value = raw.get(tensor);
    return value ? [[alias, value] as const] : [];
  });
  const scores = classScores(outputs, raw);
  const isSingle = scores !== undefined && floatValues(scores).length === 1;
  const assumptions = [
    ...(detector?.input ?? input).assumptions,
    ...(isSingle && !model.holds
      ? [`its one score holds ${holds} of the second label (--holds)`]
      : []),
  ];
  return { facts, folder, version, manifest, assumptions, outputs: new Map(served) };
}

/** Tries a picture of a usual size if the file leaves open what its outputs are. */
async function inspectDetector(
  model: ModelToAdd,
  facts: OnnxModelInfo,
): Promise<DetectorInfo | undefined> {
  const declared = detectorInfo(facts, model);
  const isOpen = facts.outputs.some(
    ({ shape }) => shape === undefined || shape.slice(1).includes(-1),
  );
  const pixels = facts.inputs[0] && declaredPixels(facts.inputs[0]);
  if (declared || !isOpen || !pixels || facts.inputs.length > 1) return declared;
  const { heightPx = 640, widthPx = 640, layout, dtype } = pixels;
  const preprocessing: Preprocessing = {
    resize: { kind: "warp", heightPx, widthPx },
    coordinates: "half-pixel",
    channelOrder: "rgb",
    mean: [0, 0, 0],
    scale: 1,
    layout,
    dtype,
  };
  const tensor = facts.inputs[0]?.name ?? "";
  const outputs = await tryModel(model, { tensor, preprocessing, assumptions: [] }, facts);
  return detectorInfo(facts, model, outputs);
}

function assertName(name: string): void {
  if (/^[A-Za-z0-9][\w.-]{0,127}$/.test(name)) return;
  throw new ModelFolderError(
    `invalid model name "${name}"; expected letters, digits, dots, dashes and underscores`,
  );
}

/** Copies the model into the registry that the folder is. @throws ModelFolderError if that refuses it */
async function registered(
  { name, weights, directory, version, source = resolve(weights), files = [] }: ModelToAdd,
  { facts, manifest }: Pick<AddedModel, "facts" | "manifest">,
): Promise<ModelVersion> {
  const external = facts.externalFiles.map((file) => ({
    path: normalize(file).split(sep).join("/"),
    content: { kind: "file" as const, file: join(dirname(weights), file) },
  }));
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  try {
    return await openRegistry(directory).register(name, {
      from: [
        { path: "model.onnx", content: { kind: "file", file: weights } },
        ...external,
        { path: "manifest.json", content: { kind: "bytes", bytes: text } },
        ...files.map(({ path, bytes }) => ({ path, content: { kind: "bytes" as const, bytes } })),
      ],
      source,
      ...(version !== undefined && { version }),
    });
  } catch (thrown) {
    if (!(thrown instanceof RegistryError)) throw thrown;
    throw new ModelFolderError(thrown.message, { cause: thrown });
  }
}
