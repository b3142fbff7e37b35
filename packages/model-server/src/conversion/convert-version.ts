import {
  type Job,
  type JobLimits,
  type Jobs,
  openJobs,
  type VersionReference,
} from "@tensorgate/registry";
import type { ConversionOptions, ConversionResult } from "./conversion.ts";

export interface ConvertVersionOptions extends ConversionOptions {
  /** Time and memory of its process. */
  readonly jobLimits?: JobLimits;
  /** Called when the job begins, and whenever its step changes. */
  readonly onJob?: (job: Job) => void;
  readonly signal?: AbortSignal;
}

/** A job of a conversion that has ended; `result` is there if it is done. */
export interface ConversionJob extends Job {
  readonly result?: ConversionResult;
}

const script = new URL(
  import.meta.url.endsWith(".ts") ? "./conversion-process.ts" : "./conversion-process.js",
  import.meta.url,
);

/**
 * Converts a version of a registry to ONNX: in its own process, with limits, a log, and a job that other processes
 * see. The version gets `model.onnx` and `manifest.json` when the engine has run the model.
 *
 * @param directory - folder of the registry
 * @throws RegistryError if there is no such version, or another job of it is running
 */
export async function convertVersion(
  directory: string,
  reference: VersionReference,
  { jobLimits, onJob, signal, ...options }: ConvertVersionOptions,
  jobs: Pick<Jobs, "run"> = openJobs(directory),
): Promise<ConversionJob> {
  const job = await jobs.run(reference, {
    kind: "convert",
    script,
    options,
    ...(jobLimits && { limits: jobLimits }),
    ...(onJob && { onJob }),
    ...(signal && { signal }),
  });
  return job as ConversionJob;
}
