export type { Credentials, FindCredentials } from "./distribution/docker-credentials.ts";
export { type OciRepository, openOciRepository, sha256 } from "./distribution/oci-client.ts";
export type { OciDeps, OciOptions } from "./distribution/oci-connection.ts";
export { type OciReference, ociText, parseOciReference } from "./distribution/oci-reference.ts";
export { systemOciDeps } from "./distribution/system-deps.ts";
export { type Artifact, attachArtifact } from "./image/attach-artifact.ts";
export { type BaseImage, openBaseImage, platformText } from "./image/base-image.ts";
export { type BuiltImage, buildImage, type ImageOptions } from "./image/build-image.ts";
export type { Descriptor, Platform } from "./image/documents.ts";
export { type Layer, type Layout, openLayout } from "./image/layout.ts";
export { fileEntry, type TarEntry } from "./image/tar.ts";
export {
  completeLayout,
  type PushedImage,
  pushImage,
  type TransferImageOptions,
} from "./image/transfer-image.ts";
export { OciError, type OciFailure } from "./oci-error.ts";
