import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { sha256 } from "../distribution/oci-client.ts";
import { unlessMissing } from "../files.ts";
import { OciError } from "../oci-error.ts";
import {
  type Descriptor,
  documentBytes,
  type IndexEntry,
  indexSchema,
  mediaTypes,
  type Platform,
  parseDocument,
} from "./documents.ts";
import { type TarEntry, tarOf } from "./tar.ts";

/** A layer that was written, with the digest of its tar. */
export interface Layer extends Descriptor {
  readonly diffId: string;
}

/** A folder in the form of an OCI image layout, which container tools read. */
export interface Layout {
  readonly folder: string;
  blobFile(digest: string): string;
  hasBlob(digest: string): Promise<boolean>;
  /** @throws OciError `not-found` */
  readBlob(digest: string): Promise<Uint8Array>;
  addBytes(mediaType: string, bytes: Uint8Array): Promise<Descriptor>;
  /** Writes a layer, as a tar or compressed by gzip. */
  addLayer(
    entries: readonly TarEntry[],
    options?: { readonly isCompressed?: boolean },
  ): Promise<Layer>;
  /** Lists the images, without documents about them. @throws OciError `not-found` if the folder is no layout */
  images(): Promise<readonly IndexEntry[]>;
  /** Adds a manifest to those of the layout. @throws OciError `not-found` if the folder is no layout */
  list(manifest: IndexEntry): Promise<void>;
  /** Makes an image the only one of the layout, without documents about it. */
  name(
    manifest: Descriptor,
    image: { readonly tag: string; readonly platform: Platform },
  ): Promise<void>;
}

/** Annotation with the tag of an image in a layout. */
const tagKey = "org.opencontainers.image.ref.name";

/** @see OCI image specification 1.1, "Image Layout" */
export function openLayout(folder: string): Layout {
  const blobs = join(folder, "blobs", "sha256");
  const blobFile = (digest: string) => join(blobs, digest.replace("sha256:", ""));

  const addBytes = async (mediaType: string, bytes: Uint8Array): Promise<Descriptor> => {
    const digest = sha256(bytes);
    await mkdir(blobs, { recursive: true });
    await writeFile(blobFile(digest), bytes);
    return { mediaType, digest, size: bytes.length };
  };

  const indexFile = join(folder, "index.json");
  const listed = async () => {
    const bytes = await readFile(indexFile).catch(unlessMissing(undefined));
    if (bytes) return parseDocument(bytes, indexSchema, indexFile).manifests;
    throw new OciError("not-found", `${folder} is no OCI layout: it has no index.json`);
  };
  const writeIndex = (manifests: readonly IndexEntry[]) =>
    writeFile(
      indexFile,
      documentBytes({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }),
    );

  return {
    folder,
    blobFile,
    hasBlob: async (digest) =>
      (await stat(blobFile(digest)).catch(unlessMissing(undefined))) !== undefined,
    readBlob: async (digest) => {
      const bytes = await readFile(blobFile(digest)).catch(unlessMissing(undefined));
      if (bytes) return bytes;
      throw new OciError("not-found", `${folder} has no blob ${digest}`);
    },
    addBytes,
    addLayer: async (entries, { isCompressed = false } = {}) => {
      await mkdir(blobs, { recursive: true });
      const unfinished = join(blobs, `.${randomUUID()}`);
      const [content, written] = [hashing(), hashing()];
      try {
        const output = createWriteStream(unfinished, { flags: "wx" });
        const from = Readable.from(tarOf(entries));
        if (isCompressed) {
          await pipeline(from, content.stream, createGzip(), written.stream, output);
        } else await pipeline(from, content.stream, written.stream, output);
        await rename(unfinished, blobFile(written.digest()));
      } catch (thrown) {
        await rm(unfinished, { force: true });
        if (thrown instanceof OciError) throw thrown;
        throw new OciError("file", `cannot write a layer: ${(thrown as Error).message}`, {
          cause: thrown,
        });
      }
      return {
        mediaType: isCompressed ? mediaTypes.tarGzip : mediaTypes.tar,
        digest: written.digest(),
        size: written.byteCount(),
        diffId: content.digest(),
      };
    },
    images: async () => (await listed()).filter(({ artifactType }) => artifactType === undefined),
    list: async (manifest) => {
      const others = (await listed()).filter(({ digest }) => digest !== manifest.digest);
      await writeIndex([...others, manifest]);
    },
    name: async (manifest, { tag, platform }) => {
      await writeFile(join(folder, "oci-layout"), documentBytes({ imageLayoutVersion: "1.0.0" }));
      await writeIndex([{ ...manifest, annotations: { [tagKey]: tag }, platform }]);
    },
  };
}

/** A stream that hashes what passes. */
function hashing() {
  const hash = createHash("sha256");
  let byteCount = 0;
  let hex: string | undefined;
  const stream = new Transform({
    transform(piece: Buffer, _encoding, done) {
      hash.update(piece);
      byteCount += piece.length;
      done(null, piece);
    },
  });
  const digest = () => {
    hex ??= hash.digest("hex");
    return `sha256:${hex}`;
  };
  return { stream, digest, byteCount: () => byteCount };
}
