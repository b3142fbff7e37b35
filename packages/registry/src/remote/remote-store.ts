import type { ModelVersion } from "../model-folder.ts";
import type { StagingOptions } from "../staging.ts";

/** What a push did. */
export interface PushResult {
  /** The version there, by its digest where the store has digests. */
  readonly reference: string;
  readonly digest: string | undefined;
  /** Bytes that had to be sent, and those that were there already. */
  readonly sentBytes: number;
  readonly presentBytes: number;
}

/** A file that was fetched, and whose digest was verified. */
export interface FetchedFile {
  /** Relative to the folder of the version. */
  readonly path: string;
  /** Where it lies; files of the same content are one. */
  readonly file: string;
  readonly sha256: string;
}

/** A version that was fetched: its files lie in the downloads folder. */
export interface FetchedVersion {
  readonly reference: string;
  readonly name: string;
  readonly version: bigint | undefined;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly files: readonly FetchedFile[];
}

export interface FetchOptions extends StagingOptions {
  /** Folder for downloads. An unfinished one is continued. */
  readonly downloads: string;
}

export interface PushOptions extends StagingOptions {
  /** Folder that keeps how far uploads are. An unfinished one is continued. */
  readonly uploads: string;
}

/**
 * A place that versions are copied to and from. A further kind of store is one more of these, and a line in
 * `remote-stores.ts`.
 */
export interface RemoteStore {
  /** @throws RegistryError `remote` */
  push(version: ModelVersion, target: string, options: PushOptions): Promise<PushResult>;
  /** @throws RegistryError `not-found`, `remote` */
  fetch(source: string, options: FetchOptions): Promise<FetchedVersion>;
}
