import {
  listImages,
  type ModelVersion,
  openJobs,
  openRegistry,
  parseReference,
  type Registry,
} from "@tensorgate/registry";
import { CommandError } from "../command-error.ts";
import { type ClusterPlace, createClusterTools } from "../deploy/cluster-tools.ts";
import {
  assertDeployed,
  assertUnused,
  type DeployedService,
  imageStep,
  modelStep,
  serviceRecordStep,
  serviceStep,
  servicesIn,
  versionStep,
  versionSteps,
} from "../deploy/deletion-steps.ts";
import { carryOut, type PlanOptions } from "../deploy/plan.ts";
import { explainRegistryError, serviceUse, versionsOfService } from "../deploy/service-values.ts";
import { type ClusterOptions, clusterDeletion } from "./cluster.ts";

interface RegistryDeletion extends PlanOptions {
  readonly registry: string;
  readonly cascade?: boolean;
  readonly plainHttp?: boolean;
}

export interface DeleteServiceOptions extends ClusterPlace, RegistryDeletion {
  /** Forgets the service without a cluster. */
  readonly recordOnly?: boolean;
}

/** Deletes a service; with `--cascade` then its images, and then its versions in the registry. The plan is shown first. */
export async function runDeleteService(name: string, options: DeleteServiceOptions): Promise<void> {
  const registry = openRegistry(options.registry);
  const use = serviceUse(name, options.namespace);
  const versions = await versionsOfService(registry, use).catch(explainRegistryError);
  if (options.cascade) assertUnused(versions, [use]);
  const service: DeployedService = { name, tools: createClusterTools(options) };
  const isRecorded = versions.length > 0 || (await hasDeployments(registry, use));
  if (options.recordOnly) assertRecorded(registry, use, isRecorded);
  else await assertDeployed(service, isRecorded);
  const first = options.recordOnly
    ? serviceRecordStep(registry, use)
    : serviceStep(registry, service);
  const after = options.cascade ? await versionSteps(registry, versions, options.plainHttp) : [];
  await carryOut("delete", [first, ...after], options);
}

/** Whether a service was deployed from here, or was to be: one that was refused has a job as well. */
async function hasDeployments({ directory }: Registry, use: string): Promise<boolean> {
  const jobs = await openJobs(directory).list().catch(explainRegistryError);
  return jobs.some(({ reference }) => reference === use);
}

function assertRecorded(registry: Registry, use: string, isRecorded: boolean): void {
  if (isRecorded) return;
  throw new CommandError(`the registry ${registry.directory} has no record of a service "${use}"`);
}

export interface DeleteClusterOptions extends ClusterOptions, RegistryDeletion {
  /** Of the kubeconfig; that which `cluster create` makes has the name of the cluster. */
  readonly context?: string;
}

/** Deletes a cluster that runs no services; with `--cascade` its services before it, and their images and versions after it. */
export async function runDeleteCluster(options: DeleteClusterOptions): Promise<void> {
  const { name, context = name, cascade = false, plainHttp } = options;
  const registry = openRegistry(options.registry);
  const found = await servicesIn(createClusterTools({ namespace: "default", context })).catch(
    (thrown: unknown) => {
      if (!(thrown instanceof CommandError)) throw thrown;
      throw new CommandError(
        `cannot see which services the cluster runs: ${thrown.message}; to delete it with all of them: tensorgate cluster delete --name ${name} --yes`,
      );
    },
  );
  const uses = found.map((each) => serviceUse(each.name, each.namespace));
  if (found.length > 0 && !cascade) {
    throw new CommandError(
      `${name} runs ${uses.join(", ")}; delete ${uses.length === 1 ? "it" : "them"} first, or give --cascade`,
    );
  }
  const services = found.map(
    (each): DeployedService => ({
      name: each.name,
      tools: createClusterTools({ namespace: each.namespace, context }),
    }),
  );
  const running = await Promise.all(uses.map((use) => versionsOfService(registry, use)));
  const versions = [
    ...new Map(running.flat().map((each) => [`${each.name}@${each.version}`, each])).values(),
  ];
  assertUnused(versions, uses);
  await carryOut(
    "delete",
    [
      ...services.map((service) => serviceStep(registry, service)),
      clusterDeletion(options),
      ...(cascade ? await versionSteps(registry, versions, plainHttp) : []),
    ],
    options,
  );
}

/** Deletes images where they are, and their records. */
export async function runDeleteImages(
  references: readonly string[],
  options: RegistryDeletion,
): Promise<void> {
  const registry = openRegistry(options.registry);
  const images = await listImages(registry).catch(explainRegistryError);
  for (const reference of references) {
    const image = images.find((each) => each.reference === reference);
    if (!image) {
      const names = images.map((each) => each.reference).join(", ") || "none";
      throw new CommandError(`no image "${reference}" in ${registry.directory}; images: ${names}`);
    }
    const { services, model, version } = image;
    if (services.length > 0) {
      throw new CommandError(
        `${reference} cannot be deleted, because ${services.join(", ")} runs ${model}@${version}; delete the service first: tensorgate delete ${services[0]?.split("/").at(-1)}`,
      );
    }
  }
  const steps = references.map((each) => imageStep(registry, each, options.plainHttp));
  await carryOut("delete", steps, options);
}

/** Deletes a version, or a model with all of its versions; with `--cascade` their images and aliases first. */
export async function runDeleteModel(reference: string, options: RegistryDeletion): Promise<void> {
  const registry = openRegistry(options.registry);
  const versions = await namedVersions(registry, reference).catch(explainRegistryError);
  assertUnused(versions, []);
  if (!options.cascade) assertUnnamed(versions);
  const { name, at } = parseReference(reference);
  const steps = options.cascade
    ? await versionSteps(registry, versions, options.plainHttp)
    : versions.map((each) => versionStep(registry, each));
  const isWhole = at.kind === "latest" && !steps.some(({ kind }) => kind === "model");
  await carryOut("delete", [...steps, ...(isWhole ? [modelStep(registry, name)] : [])], options);
}

async function namedVersions(
  registry: Registry,
  reference: string,
): Promise<readonly ModelVersion[]> {
  const { name, at } = parseReference(reference);
  if (at.kind !== "latest") return [await registry.version(reference)];
  const { versions } = await registry.model(name);
  return Promise.all(
    versions.map((version) => registry.version({ name, at: { kind: "version", version } })),
  );
}

/** @throws CommandError with the aliases and images of the versions */
function assertUnnamed(versions: readonly ModelVersion[]): void {
  const faults = versions.flatMap(({ name, version, aliases, images }) => {
    const names = [
      ...aliases.map((alias) => `alias ${alias}`),
      ...images.map((image) => `image ${image.reference}`),
    ];
    return names.length === 0 ? [] : [`${name}@${version} has ${names.join(", ")}`];
  });
  if (faults.length === 0) return;
  throw new CommandError(
    `nothing is deleted, because ${faults.join("; ")}; give --cascade to delete these as well`,
  );
}
