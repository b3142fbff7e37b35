import { readFile, rm, writeFile } from "node:fs/promises";
import { unlessMissing } from "../files.ts";

/** Where an upload goes on, kept in a file, so that the next process continues what this one could not finish. */
export interface UploadState {
  /** Reads the address of an upload that was begun; undefined if there is none. */
  read(): Promise<string | undefined>;
  write(url: string): Promise<void>;
  remove(): Promise<void>;
}

/** @param file - undefined to keep nothing */
export function openUploadState(file: string | undefined): UploadState {
  if (file === undefined) {
    return { read: async () => undefined, write: async () => {}, remove: async () => {} };
  }
  return {
    read: async () => {
      const text = await readFile(file, "utf8").catch(unlessMissing(""));
      return URL.canParse(text) ? text : undefined;
    },
    // Only for this user: it stands for the right to this upload.
    write: (url) => writeFile(file, url, { mode: 0o600 }),
    remove: () => rm(file, { force: true }),
  };
}
