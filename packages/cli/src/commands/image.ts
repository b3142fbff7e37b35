import {
  buildVersionImage,
  deleteImage,
  type ImageJob,
  type Job,
  listImages,
  openJobs,
  type VersionImage,
} from "@tensorgate/registry";
import { CommandError, UsageError } from "../command-error.ts";
import { createByteProgress } from "../registry/byte-progress.ts";
import { byteText } from "../registry/byte-text.ts";
import { onRegistry, type RegistryOptions } from "../registry/registry-command.ts";
import { jsonLine, tagText } from "../registry/version-text.ts";
import type { Signals } from "../service/signals.ts";
import { endOf } from "./job.ts";
import { aligned } from "./list-models.ts";

export interface BuildImageOptions extends RegistryOptions {
  readonly name: string;
  readonly base?: string;
  readonly modelOnly?: boolean;
  readonly push?: boolean;
  readonly output?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly description?: string;
  readonly platform?: string;
  readonly plainHttp?: boolean;
}

/** Builds an image of a version as a job, and waits for its end. */
export async function runImageBuild(
  reference: string,
  options: BuildImageOptions,
  signals: Signals,
): Promise<void> {
  const { name, base, modelOnly = false, push = false, output, platform } = options;
  if (modelOnly ? base !== undefined : base === undefined) {
    throw new UsageError(
      "name the image that runs the model with --base, such as registry.example/tensorgate:0.1.0, or give --model-only",
    );
  }
  if (!push && output === undefined) {
    throw new UsageError(
      "give --push to push the image, or -o FOLDER to write it as an OCI layout",
    );
  }
  const abort = new AbortController();
  const { stopped } = signals.take({ onHangup: "stop", onIgnored: () => {} });
  void stopped.then(() => abort.abort());
  let ended: ImageJob | undefined;
  await onRegistry(options, async (registry) => {
    using progress = createByteProgress(`pushing ${name}`, process.stderr);
    ended = await buildVersionImage(registry.directory, reference, {
      name,
      base,
      output,
      isPushed: push,
      description: options.description,
      plainHttp: options.plainHttp,
      onProgress: progress.onProgress,
      signal: abort.signal,
      ...(options.label && { labels: options.label }),
      ...(platform !== undefined && { platform: platformFrom(platform) }),
    });
    return { lines: ended.result ? builtLines(ended) : [], values: [ended] };
  });
  if (ended && ended.state !== "done") {
    throw new CommandError(`job ${ended.id} (image ${ended.reference}) ${endOf(ended)}`);
  }
}

function platformFrom(text: string) {
  const [, os, architecture] = /^([a-z0-9]+)\/([a-z0-9]+)$/.exec(text) ?? [];
  if (os !== undefined && architecture !== undefined) return { os, architecture };
  throw new UsageError(`invalid platform "${text}"; expected one such as linux/amd64`);
}

function builtLines({ result, ...job }: ImageJob): readonly string[] {
  if (!result) return [];
  const { reference, sha256, byteCount, isPushed, layout } = result;
  const places = [
    ...(isPushed ? [`pushed: ${reference}@sha256:${sha256}`] : []),
    ...(layout === undefined ? [] : [`layout: ${layout}`]),
  ];
  return [
    `built ${reference} of ${job.reference}: ${byteText(byteCount)}, sha256:${sha256}`,
    ...places.map((line) => `  ${line}`),
    `  job ${job.id} ${endOf(job)}, log ${job.log}`,
  ];
}

export interface ListImagesOptions extends RegistryOptions {
  readonly label?: Readonly<Record<string, string>>;
}

const heading = ["image", "state", "model", "digest", "size", "labels", "log"];

/** Lists images, with the builds that are running or failed. */
export function runImageList({ label: labels, ...options }: ListImagesOptions): Promise<void> {
  return onRegistry(options, async (registry) => {
    const jobs = (await openJobs(registry.directory).list()).filter(({ kind }) => kind === "image");
    const images = await listImages(registry, labels);
    const built = images.map((image) => ({ image, job: jobOf(jobs, image) }));
    // One that failed has no labels yet; later builds of the version take its place.
    const open = labels ? [] : jobs.filter((job, at) => job.state !== "done" && isLast(jobs, at));
    const rows = [
      ...built.map(({ image, job }) => [
        image.reference,
        "succeeded",
        `${image.model}@${image.version}`,
        `sha256:${image.sha256.slice(0, 12)}…`,
        byteText(image.byteCount),
        tagText(image.labels ?? {}),
        job?.log ?? "",
      ]),
      ...open.map((job) => ["", job.state, job.reference, "", "", "", job.log]),
    ];
    const hint =
      "no images; build one: tensorgate image build NAME@VERSION --name IMAGE --model-only -o FOLDER";
    return {
      lines: rows.length > 0 ? aligned([heading, ...rows]) : [hint],
      values: [
        ...built.map(({ image, job }) => ({ ...image, job })),
        ...open.map((job) => ({ job })),
      ],
    };
  });
}

/** Jobs of a version come with the last one first. */
const isLast = (jobs: readonly Job[], at: number) =>
  jobs.findIndex(({ reference }) => reference === jobs[at]?.reference) === at;

function jobOf(jobs: readonly Job[], { reference, model, version }: VersionImage): Job | undefined {
  return jobs.find(
    (job) =>
      job.state === "done" &&
      job.reference === `${model}@${version}` &&
      jsonLine(job.result).includes(JSON.stringify(reference)),
  );
}

export interface DeleteImageOptions extends RegistryOptions {
  readonly plainHttp?: boolean;
}

/** Deletes an image where it is, and its record. */
export function runImageDelete(reference: string, options: DeleteImageOptions): Promise<void> {
  return onRegistry(options, async (registry) => {
    const { image, remains } = await deleteImage(registry, reference, {
      plainHttp: options.plainHttp,
    });
    const lines = [
      `deleted ${reference} of ${image.model}@${image.version}`,
      ...remains.map((line) => `  warning: ${line}`),
    ];
    return { lines, values: [{ deleted: reference, remains }] };
  });
}
