import { resolve } from "node:path";
import { testPicture } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";
import { importModelServer } from "../import-model-server.ts";
import { createByteProgress } from "../registry/byte-progress.ts";
import { byteText } from "../registry/byte-text.ts";
import { reportAdded } from "./add-model.ts";
import { aligned } from "./list-models.ts";

export interface GetModelOptions {
  readonly models: string;
  readonly name?: string;
  readonly from?: string;
  readonly cache?: string;
}

const refusals: ReadonlySet<string> = new Set([
  "CheckpointError",
  "DownloadError",
  "ModelFolderError",
]);

/**
 * Fetches a trained network into the folder of a model server; without a name, lists those that there are.
 *
 * @throws CommandError for an unknown name, and if the network is not available
 */
export async function runGetModel(
  network: string | undefined,
  { models, name = network ?? "", from, cache }: GetModelOptions,
): Promise<void> {
  const { pretrainedModels, getPretrained, defaultCacheFolder } = await importModelServer();
  if (network === undefined) {
    const rows = [...pretrainedModels.values()].map((each) => [
      each.name,
      each.license,
      byteText(each.archive.byteLength),
      each.description,
    ]);
    process.stdout.write(
      `${aligned([["network", "licence", "size", "about"], ...rows]).join("\n")}\n`,
    );
    return;
  }
  const found = pretrainedModels.get(network);
  if (!found) {
    const known = [...pretrainedModels.keys()].join(", ");
    throw new CommandError(`unknown network "${network}"; expected ${known}`);
  }
  const directory = resolve(models);
  using progress = createByteProgress(`downloading ${network}`, process.stderr);
  const added = await getPretrained(found, {
    directory,
    name,
    cacheFolder: cache ?? defaultCacheFolder(),
    picture: testPicture,
    ...(from !== undefined && { archiveFile: from }),
    onProgress: progress.onProgress,
  }).catch((thrown: unknown) => {
    const isRefusal = thrown instanceof Error && refusals.has(thrown.name);
    throw isRefusal ? new CommandError(thrown.message, { cause: thrown }) : thrown;
  });
  progress[Symbol.dispose]();
  if (added) reportAdded(added, { name, directory });
  else process.stdout.write(`${name} is in ${directory} already\n`);
}
