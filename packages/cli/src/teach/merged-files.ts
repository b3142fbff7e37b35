import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Registry, RegistryError, type SourceFile } from "@tensorgate/registry";
import { type Head, mergedOnnx } from "@tensorgate/teaching";
import { CommandError } from "../command-error.ts";
import { importModelServer } from "../import-model-server.ts";

export interface MergeOptions {
  readonly head: Head;
  /** ONNX file of the backbone; found by its name if it is true. */
  readonly merge: string | true;
  readonly registry: Registry;
}

/**
 * Returns the files of a model that gives the head's probabilities by itself: ONNX, and the manifest of the backbone with
 * the head's classes.
 *
 * @throws CommandError if there is no ONNX of the backbone
 */
export async function mergedFiles(options: MergeOptions): Promise<readonly SourceFile[]> {
  const { head } = options;
  const file = await backboneFile(options);
  const { onnx, output } = mergedOnnx(readFileSync(file), head);
  const beside = join(dirname(file), "preprocess.onnx");
  const manifest = manifestText(join(dirname(file), "manifest.json"), { head, output });
  return [
    { path: "model.onnx", content: { kind: "bytes", bytes: onnx } },
    ...(manifest === undefined
      ? []
      : [{ path: "manifest.json", content: { kind: "bytes" as const, bytes: manifest } }]),
    ...(existsSync(beside)
      ? [{ path: "preprocess.onnx", content: { kind: "file" as const, file: beside } }]
      : []),
  ];
}

/** The ONNX file that was named, that of the registered model, or that of the model that comes with the model server. */
async function backboneFile({ merge, head, registry }: MergeOptions): Promise<string> {
  if (merge !== true) return merge;
  const { model, version } = head.backbone;
  try {
    const { folder } = await registry.locate(`${model}@${version}`);
    const file = join(folder, "model.onnx");
    if (existsSync(file)) return file;
  } catch (thrown) {
    if (!(thrown instanceof RegistryError)) throw thrown;
  }
  const { bundledModelsDirectory } = await importModelServer();
  const folder = join(bundledModelsDirectory, model);
  const bundled = existsSync(folder)
    ? readdirSync(folder).map((each) => join(folder, each, "model.onnx"))
    : [];
  const found = bundled.find((file) => existsSync(file));
  if (found) return found;
  throw new CommandError(
    `no ONNX file of ${model}@${version} in ${registry.directory}; name it: --merge ${model}.onnx`,
  );
}

/** @returns undefined if the backbone has no manifest */
function manifestText(
  file: string,
  { head, output }: { readonly head: Head; readonly output: string },
): string | undefined {
  if (!existsSync(file)) return undefined;
  const manifest = JSON.parse(readFileSync(file, "utf8")) as {
    readonly signatures: Readonly<Record<string, { readonly inputs: unknown }>>;
  };
  const { serving_default: signature } = manifest.signatures;
  if (!signature) throw new CommandError(`${file} has no signature serving_default`);
  const probabilities = {
    dtype: "FP32",
    shape: [-1, head.classes.length],
    holds: "probabilities",
  };
  return `${JSON.stringify(
    {
      description: `${head.classes.length} classes on the features of ${head.backbone.model}`,
      weights: "trained",
      labels: head.classes,
      signatures: {
        serving_default: { inputs: signature.inputs, outputs: { [output]: probabilities } },
      },
    },
    undefined,
    2,
  )}\n`;
}
