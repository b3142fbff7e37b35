import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  type BaseImage,
  buildImage,
  completeLayout,
  fileEntry,
  type Layout,
  type OciDeps,
  openBaseImage,
  openLayout,
  type Platform,
  platformText,
  pushImage,
  systemOciDeps,
  type TarEntry,
} from "@tensorgate/oci-image";
import type { Job } from "../jobs/job.ts";
import { type JobsDeps, openJobs } from "../jobs/jobs.ts";
import type { LocalWorkReport } from "../jobs/local-worker.ts";
import type { ModelVersion } from "../model-folder.ts";
import type { FormFile, ImageForm } from "../records.ts";
import type { VersionReference } from "../reference.ts";
import { openRegistry, type Registry } from "../registry.ts";
import { RegistryError } from "../registry-error.ts";
import type { Progress } from "../staging.ts";
import { type ImageName, parseImageName } from "./image-name.ts";

export interface VersionImageOptions {
  /** Such as `registry.example/resnet50-image:1`. */
  readonly name: string;
  /** Image that runs the model: a reference, or the folder of a layout. Undefined for an image with nothing but the model. */
  readonly base?: string | undefined;
  readonly labels?: Readonly<Record<string, string>>;
  readonly description?: string | undefined;
  /** Pushes it to the registry of its name. */
  readonly isPushed?: boolean;
  /** Folder for its OCI layout. */
  readonly output?: string | undefined;
  /** @default that of this machine, on Linux */
  readonly platform?: Platform;
  readonly plainHttp?: boolean | undefined;
  readonly onJob?: (job: Job) => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface VersionImageDeps extends Partial<JobsDeps> {
  readonly oci?: OciDeps;
}

/** The job of an image. */
export interface ImageJob extends Omit<Job, "result"> {
  /** Undefined unless it is done. */
  readonly result: ImageForm | undefined;
}

/** Folder of an image with the models, as `<name>/<version>/`. */
export const imageModelsFolder = "models";

const architectures: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: "amd64" };

const ownPlatform: Platform = {
  os: "linux",
  architecture: architectures[process.arch] ?? process.arch,
};

/**
 * Builds an image of a version as a job: a base with a layer that has the model, or that layer alone. The same version
 * gives the same digest on every machine of the platform.
 *
 * @returns the job when it has ended; it is not thrown that it failed
 * @throws RegistryError if there is no such version, another job of it is running, or the options do not fit
 */
export async function buildVersionImage(
  directory: string,
  reference: VersionReference,
  options: VersionImageOptions,
  { oci = systemOciDeps(), ...deps }: VersionImageDeps = {},
): Promise<ImageJob> {
  const name = parseImageName(options.name);
  if (options.isPushed && !name.remote) {
    const text = `"${name.text}" names no registry to push to; name one, such as registry.example/${name.text}`;
    throw new RegistryError("invalid", text);
  }
  if (!options.isPushed && options.output === undefined) {
    throw new RegistryError("invalid", "say where the image goes: a registry, or a folder");
  }
  const registry = openRegistry(directory, deps);
  const version = await registry.version(reference);
  const { onJob, signal } = options;
  const job = await openJobs(directory, deps).runHere(
    { name: version.name, at: { kind: "version", version: version.version } },
    {
      kind: "image",
      ...(onJob && { onJob }),
      ...(signal && { signal }),
      work: (_, report) => imageOf(version, { ...options, name, registry, oci, report }),
    },
  );
  return { ...job, result: job.state === "done" ? (job.result as ImageForm) : undefined };
}

interface Work extends Omit<VersionImageOptions, "name"> {
  readonly name: ImageName;
  readonly registry: Registry;
  readonly oci: OciDeps;
  readonly report: LocalWorkReport;
}

async function imageOf(version: ModelVersion, work: Work): Promise<ImageForm> {
  const { output, name, report, platform = ownPlatform } = work;
  const folder =
    output === undefined ? await mkdtemp(join(tmpdir(), "tensorgate-image-")) : resolve(output);
  try {
    await mkdir(folder, { recursive: true });
    const layout = openLayout(folder);
    const base = work.base === undefined ? undefined : await opened(work.base, work);
    const image = await written({ layout, base, version }, work);
    if (output !== undefined) await completeLayout(layout, image);
    report.log(`${name.text} ${image.manifest.digest}, ${platformText(platform)}`);
    if (work.isPushed && name.remote) {
      report.step(`pushing to ${name.remote.host}`);
      const pushed = await pushImage({ layout, image }, name.remote, {
        options: ociOptions(work),
        deps: work.oci,
      });
      const { sentBytes, presentBytes, mountedBytes } = pushed;
      report.log(
        `pushed ${pushed.reference}: ${sentBytes} bytes sent, ${presentBytes} were there, ${mountedBytes} mounted`,
      );
    }
    const form: ImageForm = {
      reference: name.text,
      sha256: image.manifest.digest.replace("sha256:", ""),
      byteCount: image.byteCount,
      ...(work.labels && { labels: work.labels }),
      ...(work.isPushed && { isPushed: true }),
      ...(output !== undefined && { layout: folder }),
      ...(work.base !== undefined && { base: work.base }),
    };
    const at = { kind: "version", version: version.version } as const;
    await work.registry.recordUse({ name: version.name, at }, { kind: "image", ...form });
    return form;
  } finally {
    if (output === undefined) await rm(folder, { recursive: true, force: true });
  }
}

function opened(base: string, work: Work): Promise<BaseImage> {
  work.report.step(`reading the base ${base}`);
  const { platform = ownPlatform } = work;
  return openBaseImage(base, { ...ociOptions(work), platform }, work.oci);
}

function ociOptions({ plainHttp, onProgress, report }: Work) {
  return {
    signal: report.signal,
    ...(plainHttp !== undefined && { plainHttp }),
    ...(onProgress && { onProgress }),
  };
}

async function written(
  {
    layout,
    base,
    version,
  }: {
    readonly layout: Layout;
    readonly base: BaseImage | undefined;
    readonly version: ModelVersion;
  },
  { report, name, platform = ownPlatform, labels, description }: Work,
) {
  const files = filesOf(version);
  const which = `${version.name}@${version.version}`;
  report.step(
    `writing a layer with ${files.length === 1 ? "1 file" : `${files.length} files`} of ${which}`,
  );
  const layer = await layout.addLayer(files.map((file) => entryOf(version, file)));
  report.log(`layer ${layer.digest}, ${layer.size} bytes`);
  const about = description ?? version.description;
  return buildImage(layout, {
    tag: name.tag,
    platform,
    base,
    layers: [{ ...layer, createdBy: `tensorgate image build ${which}` }],
    labels: {
      ...labels,
      "org.opencontainers.image.title": name.text.split("/").at(-1)?.split(":")[0] ?? version.name,
      ...(about !== "" && { "org.opencontainers.image.description": about }),
      "dev.tensorgate.model.name": version.name,
      "dev.tensorgate.model.version": String(version.version),
    },
    config: base
      ? {
          Cmd: ["model-server", "--models", `/${imageModelsFolder}`, "--host", "0.0.0.0"],
          ExposedPorts: { "8500/tcp": {} },
        }
      : {},
  });
}

/** The files that a server loads: the ONNX form if there is one, and otherwise the SavedModel. */
function filesOf({ forms }: ModelVersion): readonly FormFile[] {
  const { onnx, preprocessing } = forms;
  const model = onnx ?? forms["saved-model"];
  return [...(model?.files ?? []), ...(preprocessing?.files ?? [])];
}

function entryOf({ name, version, folder }: ModelVersion, { path, byteCount }: FormFile): TarEntry {
  const file = join(folder, ...path.split("/"));
  return fileEntry(`${imageModelsFolder}/${name}/${version}/${path}`, { file, byteCount });
}
