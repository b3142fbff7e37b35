import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { z } from "zod";
import { type FileChanges, isCode, publishFolder } from "./file-changes.ts";
import { RegistryError } from "./registry-error.ts";

/** A JSON file that several processes change. Each change is a revision, and no change is lost. */
export interface Document<Content> {
  /** Returns what the newest revision says; undefined if there is none yet. */
  read(): Promise<Content | undefined>;
  /**
   * Applies a change to the newest revision. If another process was faster, the change is applied again, to its
   * revision.
   *
   * @param change - computes the next content; may throw to change nothing
   */
  update(change: (current: Content | undefined) => Content | Promise<Content>): Promise<Content>;
}

interface Revision<Content> {
  /** 0 if there is none. */
  readonly number: number;
  readonly content: Content | undefined;
}

/** Folder with the revisions of a document, beside it. Model servers ignore it. */
const revisionsFolder = ".revisions";

/**
 * Opens a document: `model.json` is the newest revision for people and other programs, and
 * `.revisions/model.json/<number>/` has each of them. A revision is a folder that is moved to its number, which
 * succeeds for one process only; hard links and locks, which not every file system has, are not needed. If a process
 * ends before it has written `model.json`, the next one writes it.
 */
export function openDocument<Content>(
  file: string,
  schema: z.ZodType<Content>,
  changes: FileChanges,
): Document<Content> {
  const name = basename(file);
  const revisions = join(dirname(file), revisionsFolder, name);

  const newest = async (): Promise<Revision<Content>> => {
    const plain = await readRevision(file, schema);
    const numbers = (await readdir(revisions).catch(unlessMissing([]))).map(Number);
    const highest = Math.max(0, ...numbers.filter(Number.isSafeInteger));
    if (highest <= plain.number) return plain;
    return readRevision(join(revisions, String(highest), name), schema);
  };

  const writePlain = async (text: string): Promise<void> => {
    const unfinished = join(dirname(file), `.${name}.${randomUUID()}`);
    await changes.write(unfinished, text);
    await changes.rename(unfinished, file);
  };

  return {
    read: async () => (await newest()).content,
    update: async (change) => {
      for (;;) {
        const { number, content } = await newest();
        const next = await change(content);
        const text = documentText({ revision: number + 1, ...next });
        const unfinished = join(revisions, `.${randomUUID()}`);
        await changes.makeFolder(unfinished);
        await changes.write(join(unfinished, name), text);
        if (await publishFolder(changes, unfinished, join(revisions, String(number + 1)))) {
          await writePlain(text);
          return next;
        }
        await changes.remove(unfinished);
      }
    },
  };
}

/** Writes a document as a file: readable, with a line feed at its end, versions as texts. */
export function documentText(value: object): string {
  const text = JSON.stringify(
    value,
    (_, each: unknown) => (typeof each === "bigint" ? String(each) : each),
    2,
  );
  return `${text}\n`;
}

async function readRevision<Content>(
  path: string,
  schema: z.ZodType<Content>,
): Promise<Revision<Content>> {
  const text = await readFile(path, "utf8").catch(unlessMissing(undefined));
  if (text === undefined) return { number: 0, content: undefined };
  let value: { readonly revision?: unknown };
  try {
    value = JSON.parse(text) as object;
  } catch (cause) {
    throw new RegistryError("file", `${path} is not valid JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
  const { revision, ...rest } = value;
  const parsed = schema.safeParse(rest);
  if (parsed.success) return { number: Number(revision ?? 1), content: parsed.data };
  const faults = parsed.error.issues.map(({ path: at, message }) => `${at.join(".")}: ${message}`);
  throw new RegistryError("file", `${path} is not a file of this registry: ${faults.join("; ")}`);
}

/** Returns a value in place of the error that there is no such file or folder. */
export function unlessMissing<Value>(value: Value): (thrown: unknown) => Value {
  return (thrown) => {
    if (isCode(thrown, "ENOENT", "ENOTDIR")) return value;
    throw thrown;
  };
}
