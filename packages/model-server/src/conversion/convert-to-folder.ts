import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { counted, type OutputHolds, type Tensor } from "@tensorgate/core";
import type { RgbImage } from "@tensorgate/imaging";
import type { ConvertedTensor } from "@tensorgate/savedmodel";
import { servedOutputs } from "../import/class-outputs.ts";
import { inspectOnnx } from "../import/inspect-onnx.ts";
import { assertLabels, holdsOf, tryModel, usualLabels } from "../import/try-model.ts";
import type { Manifest } from "../manifest.ts";
import type { ConversionOptions, ConversionResult, ConversionTensor } from "./conversion.ts";
import { type ConvertedModel, convertModel } from "./convert-model.ts";

/** Where a conversion reads and writes, and what it reports. */
export interface ConversionPlace {
  /** Folder of the SavedModel. */
  readonly from: string;
  /** Folder that gets `model.onnx` and `manifest.json`. It must not exist yet. */
  readonly to: string;
  readonly onStep: (text: string) => void;
  readonly onLog: (text: string) => void;
}

/**
 * Converts a SavedModel to ONNX, checks it by ONNX Runtime, and describes it so that a gateway answers with labels: if
 * it takes pictures, one is tried, and its scores say what they are. The same model gives the same bytes.
 *
 * @throws SavedModelError if it cannot be converted, ModelFolderError if the engine or the labels refuse the result
 */
export async function convertToFolder(
  { picture: given, labels = [], ...options }: ConversionOptions,
  { from, to, onStep, onLog }: ConversionPlace,
): Promise<ConversionResult> {
  onStep("converting");
  const converted = await convertModel({ ...options, from, to });
  const { nodeCount, parameterCount, inputs, outputs, warnings } = converted;
  const { preprocessing, preprocessingCheck } = converted;
  for (const warning of warnings) onLog(`warning: ${warning}`);
  onLog(`${nodeCount} nodes, ${parameterCount} parameters, run by ONNX Runtime`);
  if (preprocessing && preprocessingCheck) {
    const { pictureCount, maxDifference } = preprocessingCheck;
    onLog(
      `preprocessing: at most ${maxDifference} of 255 from the graph's on ${counted(pictureCount, "picture")}`,
    );
    onStep("trying a picture");
    const picture = given ?? gradient();
    const manifest = await describedByPicture(converted, { folder: to, picture, labels });
    writeFileSync(join(to, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  }
  return {
    nodeCount,
    parameterCount,
    inputs: inputs.map(tensorOf),
    outputs: outputs.map(tensorOf),
    preprocessing,
    preprocessingCheck,
    warnings,
  };
}

const tensorOf = ({ key, graphName, dtype, shape }: ConvertedTensor): ConversionTensor => ({
  name: key,
  graphName,
  dtype,
  shape,
});

/** A picture that is not the same everywhere. */
function gradient(): RgbImage {
  const [heightPx, widthPx] = [300, 400];
  const pixels = Uint8Array.from({ length: heightPx * widthPx * 3 }, (_, at) => {
    const [pixel, channel] = [Math.floor(at / 3), at % 3];
    return ((pixel % widthPx) * (channel + 1) + Math.floor(pixel / widthPx) * 2) % 256;
  });
  return { heightPx, widthPx, pixels };
}

interface TriedFolder {
  readonly folder: string;
  readonly picture: Uint8Array | RgbImage;
  readonly labels: readonly string[];
}

/** Adds to a manifest what the outputs hold, and their labels. A model that takes more than a picture is left as it is. */
async function describedByPicture(
  { manifest, inputs, outputs, preprocessing }: ConvertedModel,
  { folder, picture, labels }: TriedFolder,
): Promise<Manifest> {
  const [input, ...others] = inputs;
  if (!input || !preprocessing || others.length > 0) return { ...manifest, labels };
  const weights = join(folder, "model.onnx");
  const facts = inspectOnnx(weights);
  const tried = { tensor: input.name, preprocessing, assumptions: [] };
  const raw: ReadonlyMap<string, Tensor> = await tryModel({ weights, picture }, tried, facts);
  const labelCount = labels.length;
  const unsure = servedOutputs(facts, undefined, { holds: "logits", labelCount });
  const holds = holdsOf(raw, unsure);
  const served = servedOutputs(facts, undefined, { holds, labelCount });
  assertLabels(labels, served, raw);
  const held = new Map(outputs.map(({ key, name }) => [key, served[name]?.holds]));
  return {
    ...manifest,
    labels: labelCount > 0 ? labels : usualLabels({}, served, raw),
    signatures: Object.fromEntries(
      Object.entries(manifest.signatures).map(([name, signature]) => [
        name,
        { ...signature, outputs: withHolds(signature.outputs, held) },
      ]),
    ),
  };
}

function withHolds(
  outputs: Manifest["signatures"][string]["outputs"],
  held: ReadonlyMap<string, OutputHolds | undefined>,
): Manifest["signatures"][string]["outputs"] {
  return Object.fromEntries(
    Object.entries(outputs).map(([key, output]) => [
      key,
      { ...output, holds: held.get(key) ?? output.holds },
    ]),
  );
}
