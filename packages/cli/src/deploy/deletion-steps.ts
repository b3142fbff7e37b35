import { deleteImage, type ModelVersion, openJobs, type Registry } from "@tensorgate/registry";
import { z } from "zod";
import { CommandError } from "../command-error.ts";
import { type ClusterTools, kubectlJson } from "./cluster-tools.ts";
import { serviceSelector } from "./failed-rollout.ts";
import type { PlanStep } from "./plan.ts";
import { recordService, serviceUse } from "./service-values.ts";

/** A service, and the tools of its cluster. */
export interface DeployedService {
  readonly name: string;
  readonly tools: ClusterTools;
}

/** Deletes a service in its cluster, and its record. */
export function serviceStep(registry: Registry, { name, tools }: DeployedService): PlanStep {
  const { namespace, context } = tools;
  return {
    kind: "service",
    name: serviceUse(name, namespace),
    text: `service ${name} in namespace ${namespace}: gateways, model servers, configuration`,
    command: `tensorgate delete ${name} --namespace ${namespace}${context === undefined ? "" : ` --context ${context}`}`,
    run: async () => {
      await tools.helm(["uninstall", name, "--wait", "--ignore-not-found"]);
      const gone = ["wait", "pods", ...serviceSelector(name), "--for=delete", "--timeout=120s"];
      await tools.kubectl(gone);
      await forgetDeployments(registry, serviceUse(name, namespace));
      return [];
    },
  };
}

/** Deletes the record of a service whose cluster is gone, so that its images and versions can be deleted. */
export function serviceRecordStep(registry: Registry, use: string): PlanStep {
  return {
    kind: "service",
    name: use,
    text: `the record that ${use} runs; no cluster is changed`,
    command: `tensorgate delete ${use.split("/").at(-1)} --record-only`,
    run: async () => {
      await forgetDeployments(registry, use);
      return [];
    },
  };
}

/** Removes what a registry knows of a service: which versions it runs, and the jobs of its deployments. */
async function forgetDeployments(registry: Registry, use: string): Promise<void> {
  await recordService(registry, use, []);
  const [name = "", namespace = "default"] = use.split("/").toReversed();
  await openJobs(registry.directory).forgetService({ name, namespace });
}

/** @throws CommandError if the cluster has no such service, with what to do */
export async function assertDeployed(
  { name, tools }: DeployedService,
  isRecorded: boolean,
): Promise<void> {
  const { code, stderr } = await tools.helm(["status", name, "-o", "json"], { accepted: [0, 1] });
  if (code === 0) return;
  if (!/not found/i.test(stderr)) throw new CommandError(`helm status failed: ${stderr.trim()}`);
  const missing = `the cluster has no service "${name}" in namespace ${tools.namespace}`;
  const found = (await servicesIn(tools)).map(({ name: each, namespace }) =>
    serviceUse(each, namespace),
  );
  throw new CommandError(
    isRecorded
      ? `${missing}, but the registry has a record of it; choose the cluster with --context, or give --record-only if it is gone`
      : `${missing}; services: ${found.join(", ") || "none"}`,
  );
}

const deployments = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ namespace: z.string(), labels: z.record(z.string(), z.string()) }),
    }),
  ),
});

/** Lists the services that a cluster runs, in all namespaces. */
export async function servicesIn(
  tools: Pick<ClusterTools, "kubectl">,
): Promise<readonly { readonly name: string; readonly namespace: string }[]> {
  const ours = ["--all-namespaces", "-l", "app.kubernetes.io/name=tensorgate"];
  const { items } = await kubectlJson(tools, ["get", "deployments", ...ours], deployments);
  const found = new Map(
    items.flatMap(({ metadata: { namespace, labels } }) => {
      const name = labels["app.kubernetes.io/instance"];
      return name === undefined ? [] : [[`${namespace}/${name}`, { name, namespace }] as const];
    }),
  );
  return [...found.values()];
}

export function imageStep(registry: Registry, reference: string, plainHttp?: boolean): PlanStep {
  return {
    kind: "image",
    name: reference,
    text: `image ${reference}`,
    command: `tensorgate delete image ${reference}`,
    run: async () => (await deleteImage(registry, reference, { plainHttp })).remains,
  };
}

/** Deletes images and aliases of versions, then the versions, then models that have no others. */
export async function versionSteps(
  registry: Registry,
  versions: readonly ModelVersion[],
  plainHttp?: boolean,
): Promise<readonly PlanStep[]> {
  const images = versions.flatMap((version) =>
    version.images.map(({ reference }) => imageStep(registry, reference, plainHttp)),
  );
  const names = [...new Set(versions.map(({ name }) => name))];
  const emptied: PlanStep[] = [];
  for (const name of names) {
    const { versions: all } = await registry.model(name);
    const left = all.filter(
      (number) => !versions.some((each) => each.name === name && each.version === number),
    );
    if (left.length === 0) emptied.push(modelStep(registry, name));
  }
  return [...images, ...versions.map((each) => versionStep(registry, each)), ...emptied];
}

export function versionStep(
  registry: Registry,
  { name, version, aliases }: ModelVersion,
): PlanStep {
  const list = `${aliases.length === 1 ? "alias" : "aliases"} ${aliases.join(", ")}`;
  return {
    kind: "version",
    name: `${name}@${version}`,
    text: `version ${name}@${version}${aliases.length > 0 ? ` with its ${list}` : ""}`,
    command: `tensorgate delete model ${name}@${version} --cascade`,
    run: async () => {
      for (const alias of aliases) await registry.removeAlias(name, alias);
      await registry.deleteVersion({ name, at: { kind: "version", version } });
      return [];
    },
  };
}

export function modelStep(registry: Registry, name: string): PlanStep {
  return {
    kind: "model",
    name,
    text: `model ${name}, which has no other version`,
    command: `tensorgate delete model ${name}`,
    run: async () => {
      await registry.deleteModel(name);
      return [];
    },
  };
}

/**
 * Makes sure that no other service runs the versions.
 *
 * @param uses - services that are deleted as well
 * @throws CommandError with the services that run them
 */
export function assertUnused(versions: readonly ModelVersion[], uses: readonly string[]): void {
  const faults = versions.flatMap(({ name, version, services }) => {
    const others = services.filter((each) => !uses.includes(each));
    return others.length === 0 ? [] : [`${others.join(", ")} runs ${name}@${version}`];
  });
  if (faults.length === 0) return;
  throw new CommandError(
    `nothing is deleted, because ${faults.join("; ")}; delete the service first: tensorgate delete SERVICE`,
  );
}
