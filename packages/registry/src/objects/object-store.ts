import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { documentText, unlessMissing } from "../document.ts";
import { sha256OfFile } from "../file-changes.ts";
import { isModelName, versionFrom } from "../names.ts";
import { type FormFile, type Registration, registrationSchema, relativePath } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import type { FetchedFile, RemoteStore } from "../remote/remote-store.ts";
import type { ObjectContainer } from "./object-container.ts";

/** A version in an object store: a container, and the path of the version in it. */
export interface ObjectPlace {
  readonly container: ObjectContainer;
  /** Without a slash at its end; its last part is the version if it is a number, the one before the name. */
  readonly path: string;
}

/** Object that says what a version has. It is written last, and once: what has it is whole. */
const registrationName = "registration.json";

/**
 * Creates a store of a version's files as objects, in the layout of the registry's folders. Servers that read models
 * from object storage read it as it is.
 *
 * @param open - finds the container of a target such as `azblob://account/container/resnet50/1`
 */
export function createObjectStore(open: (target: string) => Promise<ObjectPlace>): RemoteStore {
  return {
    push: async (version, target, { onProgress, signal }) => {
      const { container, path } = await open(target);
      const files = filesOf(version.forms);
      const totalBytes = files.reduce((sum, { byteCount }) => sum + byteCount, 0);
      let doneBytes = 0;
      let presentBytes = 0;
      const onBytes = (count: number) => {
        doneBytes += count;
        onProgress?.({ doneBytes, totalBytes });
      };
      /** Reads what is there. @throws RegistryError `conflict` if it is another version */
      const sameVersion = async (): Promise<Registration | undefined> => {
        const bytes = await container.read(`${path}/${registrationName}`);
        const found = registrationFrom(bytes, target);
        if (found && contentText(found.forms) !== contentText(version.forms)) throw taken(target);
        return found;
      };
      const present = await sameVersion();
      for (const { path: name, sha256, byteCount } of files) {
        signal?.throwIfAborted();
        const object = `${path}/${name}`;
        if (present || (await container.sha256Of(object)) === sha256) {
          presentBytes += byteCount;
          onBytes(byteCount);
          continue;
        }
        const file = pathIn(version.folder, name);
        const upload = { file, sha256, byteCount, onBytes, signal };
        presentBytes += await container.writeFile(object, upload);
      }
      if (!present) {
        const { description, tags, createdAt = "", source, forms } = version;
        const registration: Registration = { description, tags, createdAt, source, forms };
        const bytes = new TextEncoder().encode(documentText({ revision: 1, ...registration }));
        const isFirst = await container.create(`${path}/${registrationName}`, bytes);
        // Another process may have pushed the same version meanwhile.
        if (!isFirst && !(await sameVersion())) throw taken(target);
      }
      const sentBytes = totalBytes - presentBytes;
      return { reference: target, digest: undefined, sentBytes, presentBytes };
    },
    fetch: async (source, { downloads, onProgress, signal }) => {
      const { container, path } = await open(source);
      const bytes = await container.read(`${path}/${registrationName}`);
      const registration = registrationFrom(bytes, source);
      if (!registration) {
        throw new RegistryError("not-found", `${source} has no ${registrationName}`);
      }
      const wanted = filesOf(registration.forms);
      const totalBytes = wanted.reduce((sum, { byteCount }) => sum + byteCount, 0);
      let doneBytes = 0;
      await mkdir(downloads, { recursive: true });
      const files: FetchedFile[] = [];
      for (const { path: name, sha256, byteCount } of wanted) {
        signal?.throwIfAborted();
        const file = join(downloads, sha256);
        await download(container, `${path}/${name}`, { file, sha256, byteCount });
        doneBytes += byteCount;
        onProgress?.({ doneBytes, totalBytes });
        files.push({ path: name, file, sha256 });
      }
      const { description, tags } = registration;
      return { reference: source, ...namedBy(path, source), description, tags, files };
    },
  };
}

const pathIn = (folder: string, path: string) => join(folder, ...path.split("/"));

const filesOf = (forms: Registration["forms"]): readonly FormFile[] =>
  Object.values(forms).flatMap((form) => form.files);

const contentText = (forms: Registration["forms"]) =>
  filesOf(forms)
    .map(({ path, sha256 }) => `${sha256} ${path}`)
    .toSorted()
    .join("\n");

function taken(target: string): RegistryError {
  return new RegistryError("conflict", `${target} holds another version; choose another path`);
}

/** Continues what an earlier attempt left, and verifies all of it. */
async function download(
  container: ObjectContainer,
  path: string,
  { file, sha256, byteCount }: { readonly file: string } & Omit<FormFile, "path">,
): Promise<void> {
  const start = (await stat(file).catch(unlessMissing(undefined)))?.size;
  if (start === undefined || start < byteCount) {
    await container.download(path, { file, start: start ?? 0 });
  }
  const actual = await sha256OfFile(file);
  if (actual === sha256) return;
  await rm(file, { force: true });
  throw new RegistryError("remote", `${path} has SHA-256 ${actual}, not ${sha256}`);
}

/** @returns undefined if there is none */
function registrationFrom(bytes: Uint8Array | undefined, where: string): Registration | undefined {
  if (bytes === undefined) return undefined;
  const fault = (text: string) =>
    new RegistryError("remote", `${where}/${registrationName} ${text}`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw fault("is not valid JSON");
  }
  const parsed = registrationSchema.safeParse(value);
  if (!parsed.success) throw fault("is not a file of a registry");
  const outside = filesOf(parsed.data.forms).find(
    ({ path }) => !relativePath.safeParse(path).success,
  );
  if (outside) throw fault(`names the file "${outside.path}"`);
  return parsed.data;
}

function namedBy(path: string, source: string) {
  const parts = path.split("/");
  const version = versionFrom(parts.at(-1) ?? "");
  const name = parts.at(version === undefined ? -1 : -2) ?? "";
  if (isModelName(name)) return { name, version };
  throw new RegistryError("invalid", `${source} names no model; expected …/<name>/<version>`);
}
