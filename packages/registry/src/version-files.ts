import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { isCode, sha256OfFile } from "./file-changes.ts";
import type { FileForm, FileFormName, FormFile } from "./records.ts";
import { RegistryError } from "./registry-error.ts";

/** A file to put into a version. */
export interface SourceFile {
  /** Where it goes: relative to the folder of the version, with slashes. */
  readonly path: string;
  readonly content:
    | { readonly kind: "file"; readonly file: string }
    | { readonly kind: "bytes"; readonly bytes: Uint8Array | string };
}

/** Files of the registry itself, which are in no form. */
const ownFiles: ReadonlySet<string> = new Set(["registration.json", "conversion.log", "image.log"]);

const preprocessingFiles: ReadonlySet<string> = new Set([
  "manifest.json",
  "preprocess.onnx",
  "signatures.pb",
]);

/** Classes on the features of another model, as `tensorgate teach` writes them. */
const headFile = "head.json";

/** What TensorFlow writes beside `saved_model.pb`. */
const savedModelPath =
  /^(saved_model\.pb(txt)?|frozen\.pb|fingerprint\.pb|keras_metadata\.pb)$|^(variables|assets|assets\.extra)\//;

/** Name of a frozen graph in a version, whatever it was called before. */
const frozenFile = "frozen.pb";

/** What else TensorFlow may write with the same ending. */
const notGraphs: ReadonlySet<string> = new Set(["fingerprint.pb", "keras_metadata.pb"]);

const maxFiles = 10_000;

/** Whether a file is one of a model, rather than of the registry. */
function isOfModel(path: string): boolean {
  return !ownFiles.has(path) && path.split("/").every((part) => !part.startsWith("."));
}

/** Returns the form that a file belongs to by its name; none for one of any name, such as weights beside `model.onnx`. */
function formByName(path: string): FileFormName | undefined {
  if (preprocessingFiles.has(path)) return "preprocessing";
  if (path === headFile) return "head";
  if (savedModelPath.test(path)) return "saved-model";
  return path === "model.onnx" ? "onnx" : undefined;
}

/** Returns the form that files of any name belong to: that of the model beside them. */
function mainForm(paths: readonly string[]): FileFormName {
  const present = new Set(paths.map(formByName));
  return (["onnx", "saved-model", "head"] as const).find((form) => present.has(form)) ?? "onnx";
}

/** Whether these files are a model that a server can load, or a head that a gateway can. */
export function isModel(paths: readonly string[]): boolean {
  return paths.some((path) =>
    /^(head\.json|model\.onnx|saved_model\.pb(txt)?|frozen\.pb)$/.test(path),
  );
}

/**
 * Finds the files to register: those of a folder, or a single file, which becomes `model.onnx` or `frozen.pb`.
 *
 * @param from - a folder with `saved_model.pb`, `model.onnx` or one frozen graph, an ONNX file, or a frozen graph
 * @throws RegistryError `not-found` or `invalid`
 */
export async function sourceFiles(from: string): Promise<readonly SourceFile[]> {
  const stats = await stat(from).catch((thrown: unknown) => {
    if (!isCode(thrown, "ENOENT", "ENOTDIR")) throw thrown;
    throw new RegistryError("not-found", `${from} not found`);
  });
  if (stats.isFile())
    return [{ path: singleFileName(from), content: { kind: "file", file: from } }];
  const paths = await filesIn(from);
  const graphs = isModel(paths) ? [] : graphsIn(paths);
  const [frozen] = graphs;
  if (!isModel(paths) && (frozen === undefined || graphs.length > 1)) {
    throw new RegistryError("invalid", noModelText(from, paths));
  }
  return paths.filter(isOfModel).map((path) => ({
    path: path === frozen ? frozenFile : path,
    content: { kind: "file", file: join(from, ...path.split("/")) },
  }));
}

/** Lists what may be frozen graphs. */
function graphsIn(paths: readonly string[]): readonly string[] {
  return paths.filter(
    (path) => /^[^/]+\.pb$/.test(path) && isOfModel(path) && !notGraphs.has(path),
  );
}

function singleFileName(file: string): string {
  const name = basename(file);
  if (name.endsWith(".onnx")) return "model.onnx";
  const isSavedModel = /^saved_model\.pb/.test(name);
  if (name.endsWith(".pb") && !isSavedModel) return "frozen.pb";
  const expected = "expected a folder with saved_model.pb or model.onnx, or an .onnx or .pb file";
  const hint = isSavedModel ? "; name its folder" : `; ${expected}`;
  throw new RegistryError("invalid", `${file} cannot be registered${hint}`);
}

function noModelText(folder: string, paths: readonly string[]): string {
  const versions = new Set(
    paths.flatMap((path) => /^(\d+)\/(saved_model\.pb|model\.onnx)$/.exec(path)?.[1] ?? []),
  );
  const first = [...versions][0];
  if (first !== undefined) {
    return `${folder} has versions (${[...versions].join(", ")}); register one, such as ${join(folder, first)}`;
  }
  const graphs = graphsIn(paths);
  return graphs.length > 1
    ? `${folder} has several graphs (${graphs.join(", ")}); register one of these files`
    : `${folder} has no model; expected saved_model.pb, model.onnx or a frozen graph (.pb) in it`;
}

/**
 * Lists the files of a folder and of those in it, sorted, with slashes.
 *
 * @throws RegistryError `invalid` for a link that leads out of the folder, or too many files
 */
export async function filesIn(folder: string): Promise<readonly string[]> {
  const root = await realpath(folder);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const paths: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (!(await isFileInside(root, entry, path))) continue;
    paths.push(relative(root, path).split(sep).join("/"));
    if (paths.length > maxFiles) {
      throw new RegistryError("invalid", `${folder} has more than ${maxFiles} files`);
    }
  }
  return paths.toSorted();
}

/** A folder from elsewhere must not make the registry copy, and push, what lies outside of it. */
async function isFileInside(root: string, entry: Dirent, path: string): Promise<boolean> {
  if (entry.isFile()) return true;
  if (!entry.isSymbolicLink()) return false;
  const target = await realpath(path).catch(() => undefined);
  if (target?.startsWith(`${root}${sep}`)) return (await stat(target)).isFile();
  throw new RegistryError(
    "invalid",
    `${path} is a link to a path outside of the folder; copy the folder with its contents first (cp -rL)`,
  );
}

/** Reads the forms of a folder: hashes every file in it. */
export async function formsIn(
  folder: string,
): Promise<Readonly<Partial<Record<FileFormName, FileForm>>>> {
  const files: FormFile[] = [];
  for (const path of await filesIn(folder)) {
    if (!isOfModel(path)) continue;
    const file = join(folder, ...path.split("/"));
    files.push({ path, sha256: await sha256OfFile(file), byteCount: (await stat(file)).size });
  }
  return formsFrom(files);
}

/**
 * Sorts files into forms.
 *
 * @param before - forms that some of the files had: one of any name keeps its form
 */
export function formsFrom(
  files: readonly FormFile[],
  before: Readonly<Partial<Record<FileFormName, FileForm>>> = {},
): Readonly<Partial<Record<FileFormName, FileForm>>> {
  const known = new Map(
    Object.entries(before).flatMap(([form, { files: each }]) =>
      each.map(({ path }) => [path, form as FileFormName] as const),
    ),
  );
  const sorted = files
    .filter(({ path }) => isOfModel(path))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const main = mainForm(sorted.map(({ path }) => path));
  const forms = Object.groupBy(sorted, ({ path }) => formByName(path) ?? known.get(path) ?? main);
  return Object.fromEntries(
    Object.entries(forms).map(([name, each]) => [name, formFrom(each ?? [])]),
  );
}

function formFrom(files: readonly FormFile[]): FileForm {
  const byteCount = files.reduce((sum, file) => sum + file.byteCount, 0);
  return { sha256: formDigest(files), byteCount, files };
}

function formDigest(files: readonly FormFile[]): string {
  const [only] = files;
  if (only && files.length === 1) return only.sha256;
  const list = files.map(({ sha256, path }) => `${sha256}  ${path}\n`).join("");
  return createHash("sha256").update(list).digest("hex");
}
