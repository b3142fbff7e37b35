import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { unlessMissing } from "../document.ts";
import { modelNamesIn, openModelFolder, versionsOf } from "../model-folder.ts";
import type { RegistryContext } from "../registry-context.ts";
import { RegistryError } from "../registry-error.ts";
import type { ResolvedVersion } from "../resolve-version.ts";

/** What jobs work on, one at a time: a version, or a service in a cluster. */
export interface JobPlace {
  /** As records and messages name it: `name@3`, or the name of a service. */
  readonly reference: string;
  /** Where the record of each job has a numbered folder. */
  readonly jobsFolder: string;
  /** Jobs whose records are kept. */
  readonly maxJobs: number;
  /** Returns the file of the log of a job. @param folder - that of the job's record */
  logFile(kind: string, folder: string): string;
}

/** A service in a cluster. */
export interface ServiceName {
  readonly name: string;
  readonly namespace: string;
}

/** Folder in that of a registry with the jobs of services; no name of a model begins with a dot. */
const servicesFolder = ".services";
/** Deployments of a service whose records and logs are kept. */
const maxServiceJobs = 20;

/** Returns the place of the jobs of a version, whose logs are beside its files. */
export async function versionPlace({
  folder,
  version,
}: Pick<ResolvedVersion, "folder" | "version">): Promise<JobPlace> {
  const path = await folder.versionPath(version);
  return {
    reference: `${folder.name}@${version}`,
    jobsFolder: join(path, ".jobs"),
    maxJobs: Number.POSITIVE_INFINITY,
    logFile: (kind) => join(path, kind === "convert" ? "conversion.log" : `${kind}.log`),
  };
}

/** Returns the place of the jobs of a service; each has its own log. @throws RegistryError `invalid` */
export function servicePlace(
  { root }: RegistryContext,
  { name, namespace }: ServiceName,
): JobPlace {
  for (const text of [name, namespace]) {
    if (isLabel(text)) continue;
    throw new RegistryError("invalid", `invalid name of a service or namespace "${text}"`);
  }
  return {
    reference: namespace === "default" ? name : `${namespace}/${name}`,
    jobsFolder: join(root, servicesFolder, namespace, name),
    maxJobs: maxServiceJobs,
    logFile: (kind, folder) => join(folder, `${kind}.log`),
  };
}

/** Whether a text is a label of the DNS, as names of services and namespaces are. */
const isLabel = (text: string) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text);

/** Lists what has jobs in a registry. */
export async function jobPlaces(context: RegistryContext): Promise<readonly JobPlace[]> {
  const places: JobPlace[] = [];
  for (const name of await modelNamesIn(context.root)) {
    const folder = openModelFolder(context.root, name, context.changes);
    for (const version of await versionsOf(folder, await folder.record.read())) {
      places.push(await versionPlace({ folder, version }));
    }
  }
  const services = join(context.root, servicesFolder);
  for (const namespace of await labelsIn(services)) {
    for (const name of await labelsIn(join(services, namespace))) {
      places.push(servicePlace(context, { name, namespace }));
    }
  }
  return places;
}

/** What else programs leave in folders, such as .DS_Store, is no label. */
const labelsIn = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder).catch(unlessMissing([]))).filter(isLabel);
