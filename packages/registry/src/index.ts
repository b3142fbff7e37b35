export type { Annotations } from "./annotate.ts";
export type { FileChanges } from "./file-changes.ts";
export {
  buildVersionImage,
  type ImageJob,
  imageModelsFolder,
  type VersionImageDeps,
  type VersionImageOptions,
} from "./images/build-version-image.ts";
export {
  type DeletedImage,
  deleteImage,
  listImages,
  type VersionImage,
} from "./images/delete-image.ts";
export type { Job, JobState } from "./jobs/job.ts";
export type { ServiceName } from "./jobs/job-place.ts";
export { type Jobs, type JobsDeps, openJobs } from "./jobs/jobs.ts";
export { type JobLimits, jobLimitDefaults, type RunJobOptions } from "./jobs/run-job.ts";
export type { WorkerMessage, WorkerRequest } from "./jobs/worker-messages.ts";
export type { JobWorker, StartWorker } from "./jobs/worker-process.ts";
export type { ModelVersion, RegisteredModel } from "./model-folder.ts";
export { assertAlias, assertModelName, isModelName, versionFrom } from "./names.ts";
export {
  type FileForm,
  type FileFormName,
  type FormFile,
  type FormName,
  formNames,
  type ImageForm,
  type Tags,
} from "./records.ts";
export {
  type ModelReference,
  parseReference,
  referenceText,
  type VersionReference,
} from "./reference.ts";
export type { RegisterOptions } from "./register-version.ts";
export { type LocatedVersion, openRegistry, type Registry } from "./registry.ts";
export type { RegistryDeps } from "./registry-context.ts";
export { RegistryError, type RegistryFailure } from "./registry-error.ts";
export type { FetchedVersion, PushResult, RemoteStore } from "./remote/remote-store.ts";
export { isRemote, type RemoteDeps, type RemoteOptions } from "./remote/remote-stores.ts";
export {
  type PulledVersion,
  type PullOptions,
  pullVersion,
  pushVersion,
  type TransferOptions,
} from "./remote/transfer.ts";
export type { Progress, StagingOptions } from "./staging.ts";
export type { SourceFile } from "./version-files.ts";
export type { UseName, VersionUse } from "./version-names.ts";
