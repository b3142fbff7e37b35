import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Family, type FamilyName, families } from "@tensorgate/tf-serving";
import { type Manifest, ModelFolderError, parseManifest } from "../manifest.ts";
import type { FoundModel } from "../model-folder.ts";
import { familyGraph } from "./family-graph.ts";
import { createWeightFile, weightFileName } from "./weight-file.ts";

/** Counted up when a topology or the way its weights are made changes, so that old files are left as they are. */
const topologyVersion = 1;

const seed = 1;

export interface SeededFamilyOptions {
  readonly cacheFolder: string;
  /** Called before and after a model is generated, which takes some seconds; not if it already exists. */
  readonly onProgress: (progress: GenerationProgress) => void;
}

export type GenerationProgress =
  | { readonly state: "begun"; readonly family: FamilyName; readonly folder: string }
  | { readonly state: "done"; readonly family: FamilyName; readonly byteCount: number };

/** The folder of generated models: `TENSORGATE_CACHE`, or else as the XDG base directory specification says. */
export function defaultCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const { TENSORGATE_CACHE: own, XDG_CACHE_HOME: users } = env;
  return own || join(users || join(homedir(), ".cache"), "tensorgate");
}

/**
 * Finds a family's topology with seeded weights, which has the real size and speed and whose answers mean nothing. It
 * is generated in the cache folder the first time.
 *
 * @throws ModelFolderError if the folder cannot be written
 */
export function seededFamily(
  name: FamilyName,
  { cacheFolder, onProgress }: SeededFamilyOptions,
): FoundModel {
  const family = families.get(name);
  if (!family) throw new RangeError(`there is no family ${name}`);
  const base = join(cacheFolder, "models", `seeded-v${topologyVersion}-${seed}`, name);
  const folder = join(base, "1");
  const modelFile = join(folder, "model.onnx");
  if (!existsSync(modelFile)) {
    onProgress({ state: "begun", family: name, folder });
    const byteCount = generated(family, folder);
    onProgress({ state: "done", family: name, byteCount });
  }
  const manifestFile = join(folder, "manifest.json");
  return {
    name,
    version: 1n,
    modelFile,
    readManifest: () => parseManifest(readFileSync(manifestFile, "utf8"), manifestFile),
  };
}

/** Generates a model beside its folder and moves it there whole, so that half a model is never seen. */
function generated(family: Family, folder: string): number {
  const unfinished = `${folder}.${randomUUID()}`;
  try {
    mkdirSync(unfinished, { recursive: true });
    using weights = createWeightFile(join(unfinished, weightFileName), seed);
    const graph = familyGraph(family.name, weights);
    writeFileSync(join(unfinished, "model.onnx"), graph);
    const manifest = `${JSON.stringify(seededManifest(family), undefined, 2)}\n`;
    writeFileSync(join(unfinished, "manifest.json"), manifest);
    moveIntoPlace(unfinished, folder);
    return weights.valueCount * 4;
  } catch (cause) {
    rmSync(unfinished, { recursive: true, force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ModelFolderError(
      `cannot generate ${family.name} in ${folder}: ${reason}; set TENSORGATE_CACHE to another folder`,
      { cause },
    );
  }
}

/** Another process may have generated the same model meanwhile. */
function moveIntoPlace(unfinished: string, folder: string): void {
  try {
    renameSync(unfinished, folder);
  } catch (thrown) {
    if (!existsSync(join(folder, "model.onnx"))) throw thrown;
    rmSync(unfinished, { recursive: true, force: true });
  }
}

function seededManifest(family: Family): Manifest {
  const { input, outputs, preprocessing, title, name } = family;
  const alias = input.on["tensorflow-serving"];
  return {
    description: `${title} with seeded weights: its answers mean nothing.`,
    weights: "seeded",
    family: name,
    labels: [],
    signatures: {
      serving_default: {
        inputs: {
          [alias]: { dtype: "BYTES", shape: [-1], picture: { tensor: "images", preprocessing } },
        },
        outputs: Object.fromEntries(
          outputs.map(({ on, name: tensor, shape, holds }) => [
            on["tensorflow-serving"],
            { dtype: "FP32" as const, shape, tensor, holds },
          ]),
        ),
      },
    },
  };
}
