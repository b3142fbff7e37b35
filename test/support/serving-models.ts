import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Manifest } from "@tensorgate/model-server";
import {
  type HalfPlusOptions,
  halfPlusGraph,
  halfPlusManifest,
  halfPlusThree,
  multiGraph,
  multiManifest,
  secondGenerationSignatures,
} from "./sample-models.ts";

interface SampleModel {
  readonly encodedSignatures?: Uint8Array;
  readonly versions: readonly string[];
  readonly graph: Uint8Array;
  readonly manifest: Manifest;
}

function halfPlus(versions: readonly string[], options: HalfPlusOptions = {}): SampleModel {
  const manifest = halfPlusManifest(options);
  const model = { versions, graph: halfPlusGraph(options.sum ?? 2), manifest };
  return options.generation === 2
    ? { ...model, encodedSignatures: secondGenerationSignatures(manifest) }
    : model;
}

/** Folders of the sample models. */
const samples: Readonly<Record<string, () => SampleModel>> = {
  half_plus_two: () => halfPlus(["00000123"]),
  half_plus_two_2_versions: () => halfPlus(["00000123", "00000124"], { classifiesX2: true }),
  half_plus_two_1: () => halfPlus(["1"]),
  half_plus_two_tf2: () => halfPlus(["00000123"], { generation: 2 }),
  half_plus_three: () => ({
    versions: ["00000123"],
    graph: halfPlusGraph(3),
    manifest: halfPlusThree,
  }),
  multi: () => ({ versions: ["1"], graph: multiGraph(), manifest: multiManifest() }),
};

/** Writes the sample models to `FOLDER/<sample>/<version>/`. */
export function writeServingModels(folder: string): void {
  for (const [name, sample] of Object.entries(samples)) {
    const { versions, graph, manifest, encodedSignatures } = sample();
    for (const version of versions) {
      const place = join(folder, name, version);
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, "model.onnx"), graph);
      writeFileSync(join(place, "manifest.json"), JSON.stringify(manifest));
      if (encodedSignatures) writeFileSync(join(place, "signatures.pb"), encodedSignatures);
    }
  }
}

/**
 * The models that TensorFlow Serving's cases assume, as a file for `--model_config_file`.
 *
 * @param names - of the models to list; all by default
 */
export function servingModelsConfig(folder: string, names?: readonly string[]): string {
  return `# Models of the sample folder ${folder}
model_config_list {
${[
  entry("half_plus_two", "half_plus_two"),
  entry("default", "half_plus_two"),
  entry("half_plus_three", "half_plus_three"),
  entry("tf2", "half_plus_two_tf2"),
  entry("my/model", "half_plus_two_1"),
  entry("ModelCase", "half_plus_two_1"),
  entry("multi", "multi"),
  entry(
    "saved_model_half_plus_two_2_versions",
    "half_plus_two_2_versions",
    `model_version_policy { specific { versions: 123 } }
    version_labels { key: "Version_Label" value: 123 }`,
  ),
  entry(
    "two_versions",
    "half_plus_two_2_versions",
    `model_version_policy: { all: {} }
    version_labels { key: "stable" value: 123 }
    version_labels { key: "canary" value: 124 }
    version_labels { key: "a b" value: 124 }`,
  ),
].join("\n")}
}
`;

  function entry(name: string, sample: string, more = ""): string {
    if (names && !names.includes(name)) return "";
    return `  config {
    name: ${JSON.stringify(name)},
    base_path: ${JSON.stringify(join(folder, sample))}
    model_platform: "tensorflow"
    ${more}
  }`;
  }
}
