import type { BlockUpload } from "./upload-blocks.ts";

/** Objects by their paths, as Azure Blob Storage and S3 have them. A further kind of storage is one more of these. */
export interface ObjectContainer {
  /** Returns a small object; undefined if there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Returns the SHA-256 that an object was written with, in hexadecimal; undefined if there is none. */
  sha256Of(path: string): Promise<string | undefined>;
  /**
   * Writes a file as an object, with its digest. An object that is there is replaced. An attempt that broke off is
   * continued.
   *
   * @returns the bytes that an earlier attempt had sent
   */
  writeFile(path: string, upload: BlockUpload): Promise<number>;
  /**
   * Writes an object unless there is one.
   *
   * @returns false if there is one
   */
  create(path: string, bytes: Uint8Array): Promise<boolean>;
  /** Appends an object to a file, from this byte on. */
  download(path: string, to: { readonly file: string; readonly start: number }): Promise<void>;
}
