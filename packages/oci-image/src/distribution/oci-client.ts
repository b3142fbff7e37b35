import { createHash } from "node:crypto";
import { OciError } from "../oci-error.ts";
import { type OciDeps, type OciOptions, openOciConnection } from "./oci-connection.ts";
import type { OciReference } from "./oci-reference.ts";
import {
  type BlobFile,
  beginUpload,
  downloadFile,
  finishUpload,
  uploadFile,
  wrongDigest,
} from "./oci-transfer.ts";

/** A repository of a container registry. Every failure is a OciError; transient ones are retried first. */
export interface OciRepository {
  hasBlob(digest: string): Promise<boolean>;
  /** @param stateFile - keeps where the upload goes on, so that a later process continues it */
  uploadFile(blob: BlobFile, onBytes: (count: number) => void, stateFile?: string): Promise<void>;
  /** Takes a blob from another repository of the registry. @returns false if it has to be uploaded */
  mountBlob(digest: string, from: string): Promise<boolean>;
  uploadBytes(digest: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  downloadFile(blob: BlobFile, onBytes: (count: number) => void): Promise<void>;
  /** Reads a small blob. @throws OciError `not-found`, or `remote` if it is another one or too large */
  getBlob(blob: { readonly digest: string; readonly size: number }): Promise<Uint8Array>;
  /** @param tag - or a digest */
  putManifest(tag: string, mediaType: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /**
   * @param tag - or a digest
   * @throws OciError `not-found`, or `remote` if it has another digest than it should have
   */
  getManifest(tag: string): Promise<{ readonly digest: string; readonly bytes: Uint8Array }>;
  /** @returns false if the registry does not delete @throws OciError `not-found` */
  deleteManifest(digest: string): Promise<boolean>;
}

/** Largest manifest, as registries have it. */
const maxManifestBytes = 4 << 20;
const defaultChunkBytes = 16 << 20;
const manifestTypes = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

/** @see OCI distribution specification 1.1 */
export function openOciRepository(
  reference: Pick<OciReference, "host" | "repository">,
  options: OciOptions,
  deps: OciDeps,
): OciRepository {
  const connection = openOciConnection(reference, options, deps);
  const { path, call, retried, expectStatus } = connection;
  const { chunkBytes = defaultChunkBytes } = options;

  return {
    hasBlob: (digest) =>
      call(`${path}/blobs/${digest}`, { method: "HEAD" }, async (response) => {
        if (response.status === 404) return false;
        await expectStatus(response, [200], "look into");
        return true;
      }),
    uploadFile: (blob, onBytes, stateFile) =>
      uploadFile(connection, blob, { chunkBytes, onBytes, stateFile }),
    mountBlob: (digest, from) => {
      const query = new URLSearchParams({ mount: digest, from });
      return call(`${path}/blobs/uploads/?${query}`, { method: "POST" }, async (response) => {
        // 202 begins an upload, which the registry gives up by itself.
        await expectStatus(response, [201, 202], "mount into");
        return response.status === 201;
      });
    },
    uploadBytes: (digest, bytes) =>
      retried(async () => {
        const { url } = await beginUpload(connection);
        await finishUpload(connection, url, { digest, bytes });
      }),
    downloadFile: (blob, onBytes) => downloadFile(connection, blob, onBytes),
    getBlob: ({ digest, size }) =>
      call(`${path}/blobs/${digest}`, { method: "GET" }, async (response, touch) => {
        await expectStatus(response, [200], "pull from");
        const bytes = await bodyBytes(response, touch);
        if (sha256(bytes) === digest && bytes.length === size) return bytes;
        throw wrongDigest(`a blob of ${reference.host}`, digest, sha256(bytes));
      }),
    deleteManifest: (digest) =>
      call(`${path}/manifests/${digest}`, { method: "DELETE" }, async (response) => {
        // Registries may be set not to delete.
        if (response.status === 405) return false;
        await expectStatus(response, [200, 202], "delete from");
        return true;
      }),
    putManifest: (tag, mediaType, bytes) =>
      call(
        `${path}/manifests/${tag}`,
        { method: "PUT", headers: { "content-type": mediaType }, body: bytes },
        (response) => expectStatus(response, [201, 202], "push to"),
      ),
    getManifest: async (tag) => {
      const request = { method: "GET", headers: { accept: manifestTypes } } as const;
      const { bytes, said } = await call(
        `${path}/manifests/${tag}`,
        request,
        async (response, touch) => {
          await expectStatus(response, [200], `pull ${tag} from`);
          return {
            bytes: await bodyBytes(response, touch),
            said: response.headers.get("docker-content-digest") ?? undefined,
          };
        },
      );
      const digest = sha256(bytes);
      const expected = tag.startsWith("sha256:") ? tag : (said ?? digest);
      if (expected === digest) return { bytes, digest };
      throw wrongDigest(`the manifest of ${reference.host}`, expected, digest);
    },
  };
}

async function bodyBytes(response: Response, touch: () => void): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    touch();
    size += piece.length;
    if (size > maxManifestBytes) {
      throw new OciError("remote", `a document has more than ${maxManifestBytes} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Returns a digest as registries write it. */
export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
