import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type OciDeps,
  OciError,
  type OciOptions,
  ociText,
  openOciRepository,
  parseOciReference,
  sha256,
} from "@tensorgate/oci-image";
import { isModelName } from "../names.ts";
import { RegistryError } from "../registry-error.ts";
import type { FetchedFile, RemoteStore } from "../remote/remote-store.ts";
import { mediaTypes, modelPack, readManifest } from "./model-pack.ts";

/** Creates the store `oci://host/repository:tag`: a version is an artifact of the CNCF's ModelPack. */
export function createOciStore(options: OciOptions, deps: OciDeps): RemoteStore {
  const store = ociStore(options, deps);
  return {
    push: (...args) => store.push(...args).catch(throwAsRegistryError),
    fetch: (...args) => store.fetch(...args).catch(throwAsRegistryError),
  };
}

/** The failures of container registries are some of ours. */
function throwAsRegistryError(thrown: unknown): never {
  throw thrown instanceof OciError
    ? new RegistryError(thrown.reason, thrown.message, { cause: thrown })
    : thrown;
}

function ociStore(options: OciOptions, deps: OciDeps): RemoteStore {
  return {
    push: async (version, target, { uploads, onProgress, signal }) => {
      const reference = parseOciReference(target);
      const repository = openOciRepository(reference, { ...options, signal }, deps);
      const { config, layers, manifest } = modelPack(version);
      const totalBytes = layers.reduce((sum, { byteCount }) => sum + byteCount, 0);
      let doneBytes = 0;
      let presentBytes = 0;
      const onBytes = (count: number) => {
        doneBytes += count;
        onProgress?.({ doneBytes, totalBytes });
      };
      await mkdir(uploads, { recursive: true });
      for (const { path, digest, byteCount } of layers) {
        if (await repository.hasBlob(digest)) {
          presentBytes += byteCount;
          onBytes(byteCount);
          continue;
        }
        const file = join(version.folder, ...path.split("/"));
        const { host, repository: name } = reference;
        const key = sha256(Buffer.from(`${host}/${name}@${digest}`)).slice("sha256:".length);
        await repository.uploadFile({ digest, byteCount, file }, onBytes, join(uploads, key));
      }
      const configDigest = sha256(config);
      if (!(await repository.hasBlob(configDigest))) {
        await repository.uploadBytes(configDigest, config);
      }
      const bytes = manifest(configDigest);
      const digest = sha256(bytes);
      // Last, so that whatever finds the tag finds all of it.
      await repository.putManifest(reference.tag, mediaTypes.manifest, bytes);
      return {
        reference: `oci://${ociText(reference)}`,
        digest,
        sentBytes: totalBytes - presentBytes,
        presentBytes,
      };
    },
    fetch: async (source, { downloads, onProgress, signal }) => {
      const reference = parseOciReference(source);
      const repository = openOciRepository(reference, { ...options, signal }, deps);
      const { bytes, digest } = await repository.getManifest(reference.tag);
      const packed = readManifest(bytes, ociText(reference));
      const totalBytes = packed.layers.reduce((sum, { byteCount }) => sum + byteCount, 0);
      let doneBytes = 0;
      const onBytes = (count: number) => {
        doneBytes += count;
        onProgress?.({ doneBytes, totalBytes });
      };
      await mkdir(downloads, { recursive: true });
      const files: FetchedFile[] = [];
      for (const layer of packed.layers) {
        const hex = layer.digest.slice("sha256:".length);
        const file = join(downloads, hex);
        await repository.downloadFile({ ...layer, file }, onBytes);
        files.push({ path: layer.path, file, sha256: hex });
      }
      const last = reference.repository.split("/").at(-1) ?? "";
      const { name = last, version, description, tags } = packed;
      return {
        reference: `oci://${ociText({ ...reference, tag: digest })}`,
        name: isModelName(name) ? name : last,
        version,
        description,
        tags,
        files,
      };
    },
  };
}
