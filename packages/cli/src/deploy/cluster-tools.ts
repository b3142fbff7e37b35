import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { z } from "zod";
import { CommandError } from "../command-error.ts";
import { type Quota, type QuotaQuery, quotaOf } from "./device-quota.ts";
import { nodeList, podList } from "./kubernetes-objects.ts";
import { type EndedProgram, type RunOptions, runProgram } from "./programs.ts";

/** Which cluster, and where in it. */
export interface ClusterPlace {
  readonly namespace: string;
  /** Of the kubeconfig. */
  readonly context?: string;
}

/** Helm and kubectl, as the user has them, at one place of a cluster. */
export interface ClusterTools extends ClusterPlace {
  helm(args: readonly string[], options?: RunOptions): Promise<EndedProgram>;
  kubectl(args: readonly string[], options?: RunOptions): Promise<EndedProgram>;
  /** Arguments of kubectl that name the place. */
  readonly kubectlPlace: readonly string[];
}

export function createClusterTools({ namespace, context }: ClusterPlace): ClusterTools {
  const kubectlPlace = ["--namespace", namespace, ...(context ? ["--context", context] : [])];
  const helmPlace = ["--namespace", namespace, ...(context ? ["--kube-context", context] : [])];
  return {
    namespace,
    ...(context !== undefined && { context }),
    kubectlPlace,
    helm: (args, options) => runProgram("helm", [...args, ...helmPlace], options),
    kubectl: (args, options) => runProgram("kubectl", [...args, ...kubectlPlace], options),
  };
}

/** Runs kubectl and reads the JSON that it prints. */
export async function kubectlJson<Content>(
  { kubectl }: Pick<ClusterTools, "kubectl">,
  args: readonly string[],
  schema: z.ZodType<Content>,
): Promise<Content> {
  const { stdout } = await kubectl([...args, "-o", "json"]);
  return schema.parse(JSON.parse(stdout));
}

export async function readQuota(tools: ClusterTools, query: QuotaQuery): Promise<Quota> {
  const [nodes, pods] = await Promise.all([
    kubectlJson(tools, ["get", "nodes"], nodeList),
    kubectlJson(tools, ["get", "pods", "--all-namespaces"], podList),
  ]);
  return quotaOf(query, nodes, pods);
}

/** Finds the chart: in the package, or in the workspace. */
export function chartFolder(): string {
  const found = ["../../chart", "../../../../deploy/helm/tensorgate"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (found) return found;
  throw new CommandError("the package has no Helm chart; name one with --chart");
}
