import { openRegistry } from "@tensorgate/registry";
import { z } from "zod";
import { CommandError } from "../command-error.ts";
import {
  type ClusterPlace,
  type ClusterTools,
  chartFolder,
  createClusterTools,
  kubectlJson,
  readQuota,
} from "../deploy/cluster-tools.ts";
import { runDeploymentJob } from "../deploy/deployment-job.ts";
import { capacityText, deviceNames, type Quota } from "../deploy/device-quota.ts";
import { failedPodLines, serviceSelector } from "../deploy/failed-rollout.ts";
import {
  isPodReady,
  isPodRunning,
  type KubernetesPod,
  podList,
} from "../deploy/kubernetes-objects.ts";
import { recordRelease, revisionOf } from "../deploy/releases.ts";
import { releasedModels } from "../deploy/service-values.ts";
import type { Signals } from "../service/signals.ts";
import { aligned } from "./list-models.ts";

const print = (lines: readonly string[]) => process.stdout.write(`${lines.join("\n")}\n`);

const releaseStatus = z.object({
  version: z.number(),
  info: z.object({ status: z.string(), last_deployed: z.string().default("") }),
});

/** Shows a service in a cluster: its revision, its pods, and why those that are not ready are not. */
export async function runServiceStatus(
  service: string,
  { json = false, ...place }: ClusterPlace & { readonly json?: boolean },
): Promise<void> {
  const tools = createClusterTools(place);
  const { stdout } = await tools.helm(["status", service, "-o", "json"]);
  const { version, info } = releaseStatus.parse(JSON.parse(stdout));
  const pods = await kubectlJson(tools, ["get", "pods", ...serviceSelector(service)], podList);
  const items = pods.items.filter(isPodRunning);
  const leaving = pods.items.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
  const shown = [...items, ...leaving].map((pod) => ({
    name: pod.metadata.name,
    state: stateOf(pod),
    component: pod.metadata.labels["app.kubernetes.io/component"] ?? "",
    node: pod.spec.nodeName ?? "",
    restartCount: pod.status.containerStatuses.reduce((sum, each) => sum + each.restartCount, 0),
  }));
  const ready = items.filter(isPodReady).length;
  const quotas = await quotasOf(tools, items);
  const unready = ready < items.length ? await failedPodLines(tools, service) : [];
  if (json) {
    const { status, last_deployed: deployedAt } = info;
    const free = quotas.map(({ resource, freeCount, nodes }) => ({ resource, freeCount, nodes }));
    const about = { service, namespace: place.namespace, status, revision: version, deployedAt };
    print([JSON.stringify({ ...about, pods: shown, devices: free, unready })]);
    return;
  }
  const rows = shown.map(({ restartCount, ...each }) => [
    ...Object.values(each),
    String(restartCount),
  ]);
  print([
    `${service}: ${info.status}, revision ${version}, ${ready}/${items.length} pods ready`,
    ...aligned([["pod", "state", "component", "node", "restarts"], ...rows]),
    ...quotas.map(capacityText),
    ...unready,
  ]);
}

/** Counts the free devices of the kinds that the service uses. */
function quotasOf(tools: ClusterTools, pods: readonly KubernetesPod[]): Promise<readonly Quota[]> {
  const resources = deviceNames(pods.flatMap(({ spec }) => spec.containers));
  return Promise.all(resources.map((resource) => readQuota(tools, { resource, wantedCount: 0 })));
}

function stateOf(pod: KubernetesPod): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "terminating";
  return isPodReady(pod) ? "ready" : pod.status.phase;
}

export interface LogsOptions extends ClusterPlace {
  readonly follow?: boolean;
  readonly tail: number;
}

/** Prints the logs of the pods of a service. */
export async function runServiceLogs(
  service: string,
  { follow = false, tail, ...place }: LogsOptions,
): Promise<void> {
  const args = ["logs", ...serviceSelector(service), "--prefix", `--tail=${tail}`];
  const most = ["--max-log-requests=50", ...(follow ? ["--follow"] : [])];
  const { stdout } = await createClusterTools(place).kubectl([...args, ...most], {
    isShown: follow,
  });
  if (!follow) process.stdout.write(stdout);
}

/** Of Helm's wait while it rolls back. */
const timeoutSeconds = 300;

export interface RollbackOptions extends ClusterPlace {
  readonly revision?: number;
  readonly registry: string;
}

/**
 * Takes a service back to an earlier revision, the one before by default, and waits until it is ready. It is a job, as a
 * deployment is.
 */
export async function runRollback(
  service: string,
  options: RollbackOptions,
  signals: Signals,
): Promise<void> {
  const tools = createClusterTools(options);
  const registry = openRegistry(options.registry);
  // A name that no service has gets no job.
  await tools.helm(["status", service, "-o", "json"]);
  const revision = options.revision === undefined ? [] : [String(options.revision)];
  const job = { kind: "rollback", service, tools, signals, timeoutSeconds } as const;
  await runDeploymentJob(registry, job, async (report) => {
    report.step(
      `rolling back to ${revision.length > 0 ? `revision ${revision}` : "the revision before"}`,
    );
    await report.tools.helm(["rollback", service, ...revision, "--wait"]);
    const models = await recordRelease(report.tools, service, registry);
    print([`${service} runs ${models.join(", ")} again`]);
    return { revision: await revisionOf(report.tools, service), models };
  });
}

export interface ScaleOptions extends ClusterPlace {
  readonly replicas: number;
  readonly model?: string;
  /** Folder of the chart that the service was deployed with, if it is another one than ours: a release does not keep it. */
  readonly chart?: string;
}

/** Changes the number of replicas of a model, or of the gateways. The release keeps it. */
export async function runScale(service: string, options: ScaleOptions): Promise<void> {
  const tools = createClusterTools(options);
  const { replicas, model, chart = chartFolder() } = options;
  const { stdout } = await tools.helm(["get", "values", service, "-o", "json"]);
  const { models, gateway } = releasedModels.parse(JSON.parse(stdout));
  const at = models.findIndex(({ name }) => name === model);
  const backbone = models.find(({ heads }) => heads.some(({ name }) => name === model));
  if (backbone) {
    throw new CommandError(
      `"${model}" is a head, which the gateways have; scale its backbone: --model ${backbone.name}`,
    );
  }
  if (model !== undefined && at < 0) {
    throw new CommandError(
      `${service} has no model "${model}"; models: ${models.map(({ name }) => name).join(", ")}`,
    );
  }
  const range = models[at]?.autoscale;
  if (range) {
    throw new CommandError(
      `${model} is autoscaled from ${range.minReplicas} to ${range.maxReplicas} replicas; deploy ${service} with another --autoscale, or without`,
    );
  }
  if (model === undefined && gateway.autoscaling.kind !== "none") {
    throw new CommandError(
      `the gateways are autoscaled; deploy ${service} with other values of gateway.autoscaling (-f)`,
    );
  }
  const setting = model === undefined ? "gateway.replicas" : `models[${at}].replicas`;
  const values = JSON.parse(stdout) as Record<string, unknown>;
  const input = JSON.stringify(withReplicas(values, { at, replicas }));
  await tools.helm(["upgrade", service, chart, "-f", "-", "--wait"], { input });
  print([`${service}: ${setting} is ${replicas}, and all are ready`]);
}

function withReplicas(
  values: Record<string, unknown>,
  { at, replicas }: { readonly at: number; readonly replicas: number },
): object {
  if (at < 0) return { ...values, gateway: { ...(values["gateway"] as object), replicas } };
  const models = (values["models"] as readonly object[]).map((model, index) =>
    index === at ? { ...model, replicas } : model,
  );
  return { ...values, models };
}
