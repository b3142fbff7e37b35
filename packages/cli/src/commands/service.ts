import { createInterface } from "node:readline/promises";
import { deleteImage, openRegistry, type Registry } from "@tensorgate/registry";
import { z } from "zod";
import { CommandError, UsageError } from "../command-error.ts";
import {
  type ClusterPlace,
  type ClusterTools,
  chartFolder,
  createClusterTools,
  kubectlJson,
  readQuota,
} from "../deploy/cluster-tools.ts";
import { capacityText, deviceNames } from "../deploy/device-quota.ts";
import { failedPodLines, serviceSelector } from "../deploy/failed-rollout.ts";
import {
  isPodReady,
  isPodRunning,
  type KubernetesPod,
  podList,
} from "../deploy/kubernetes-objects.ts";
import {
  explainRegistryError,
  recordService,
  serviceUse,
  versionsOfService,
} from "../deploy/service-values.ts";
import { aligned } from "./list-models.ts";

const print = (lines: readonly string[]) => process.stdout.write(`${lines.join("\n")}\n`);

const releaseStatus = z.object({
  version: z.number(),
  info: z.object({ status: z.string(), last_deployed: z.string().default("") }),
});

/** Shows a service in a cluster: its revision, its pods, and why those that are not ready are not. */
export async function runServiceStatus(service: string, place: ClusterPlace): Promise<void> {
  const tools = createClusterTools(place);
  const { stdout } = await tools.helm(["status", service, "-o", "json"]);
  const { version, info } = releaseStatus.parse(JSON.parse(stdout));
  const pods = await kubectlJson(tools, ["get", "pods", ...serviceSelector(service)], podList);
  const items = pods.items.filter(isPodRunning);
  const leaving = pods.items.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
  const rows = [...items, ...leaving].map((pod) => [
    pod.metadata.name,
    stateOf(pod),
    pod.metadata.labels["app.kubernetes.io/component"] ?? "",
    pod.spec.nodeName ?? "",
    String(pod.status.containerStatuses.reduce((sum, each) => sum + each.restartCount, 0)),
  ]);
  const ready = items.filter(isPodReady).length;
  print([
    `${service}: ${info.status}, revision ${version}, ${ready}/${items.length} pods ready`,
    ...aligned([["pod", "state", "component", "node", "restarts"], ...rows]),
    ...(await capacityLines(tools, items)),
    ...(ready < items.length ? await failedPodLines(tools, service) : []),
  ]);
}

/** Says how many of the devices that the service uses are free. */
async function capacityLines(
  tools: ClusterTools,
  pods: readonly KubernetesPod[],
): Promise<readonly string[]> {
  const resources = deviceNames(pods.flatMap(({ spec }) => spec.containers));
  const quotas = resources.map((resource) => readQuota(tools, { resource, wantedCount: 0 }));
  return (await Promise.all(quotas)).map(capacityText);
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

export interface RollbackOptions extends ClusterPlace {
  readonly revision?: number;
  readonly registry: string;
}

const releaseModels = z.object({
  models: z.array(z.object({ name: z.string(), version: z.string() })).default([]),
});

/** Takes a service back to an earlier revision, the one before by default, and waits until it is ready. */
export async function runRollback(service: string, options: RollbackOptions): Promise<void> {
  const tools = createClusterTools(options);
  const revision = options.revision === undefined ? [] : [String(options.revision)];
  await tools.helm(["rollback", service, ...revision, "--wait"]);
  const { stdout } = await tools.helm(["get", "values", service, "-o", "json"]);
  const { models } = releaseModels.parse(JSON.parse(stdout));
  const registry = openRegistry(options.registry);
  const running = models.map(({ name, version }) =>
    registry.version({ name, at: { kind: "version", version: BigInt(version) } }),
  );
  await recordService(
    registry,
    serviceUse(service, tools.namespace),
    await Promise.all(running).catch(explainRegistryError),
  ).catch(explainRegistryError);
  print([
    `${service} runs ${models.map((each) => `${each.name}@${each.version}`).join(", ")} again`,
  ]);
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
  const { models } = releaseModels.parse(JSON.parse(stdout));
  const at = models.findIndex(({ name }) => name === model);
  if (model !== undefined && at < 0) {
    throw new CommandError(
      `${service} has no model "${model}"; models: ${models.map(({ name }) => name).join(", ")}`,
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

export interface DeleteServiceOptions extends ClusterPlace {
  readonly registry: string;
  readonly cascade?: boolean;
  readonly yes?: boolean;
  readonly plainHttp?: boolean;
}

interface Step {
  readonly text: string;
  readonly run: () => Promise<unknown>;
}

/** Deletes a service; with `--cascade` then its images, and then its versions in the registry. The plan is shown first. */
export async function runDeleteService(
  service: string,
  options: DeleteServiceOptions,
): Promise<void> {
  const tools = createClusterTools(options);
  const registry = openRegistry(options.registry);
  const steps = [
    serviceStep(tools, registry, service),
    ...(options.cascade
      ? await cascade(registry, service, options).catch(explainRegistryError)
      : []),
  ];
  print(["plan:", ...steps.map(({ text }, at) => `  ${at + 1}. ${text}`)]);
  if (!options.yes && !(await isConfirmed())) {
    throw new UsageError("nothing is deleted; give --yes to delete");
  }
  for (const { text, run } of steps) {
    await run().catch(explainRegistryError);
    print([`done: ${text}`]);
  }
}

function serviceStep(tools: ClusterTools, registry: Registry, service: string): Step {
  return {
    text: `service ${service} in namespace ${tools.namespace}: gateways, model servers, configuration`,
    run: async () => {
      await tools.helm(["uninstall", service, "--wait", "--ignore-not-found"]);
      const gone = ["wait", "pods", ...serviceSelector(service), "--for=delete", "--timeout=120s"];
      await tools.kubectl(gone);
      await recordService(registry, serviceUse(service, tools.namespace), []);
    },
  };
}

/** Images before the versions that they have. */
async function cascade(
  registry: Registry,
  service: string,
  { namespace, plainHttp }: DeleteServiceOptions,
): Promise<readonly Step[]> {
  const use = serviceUse(service, namespace);
  const versions = await versionsOfService(registry, use);
  const images = versions.flatMap((version) =>
    version.images.map(
      ({ reference }): Step => ({
        text: `image ${reference}`,
        run: () => deleteImage(registry, reference, { plainHttp }),
      }),
    ),
  );
  const models = versions.map(
    ({ name, version, aliases }): Step => ({
      text: `version ${name}@${version}${aliases.length > 0 ? ` with its aliases ${aliases.join(", ")}` : ""}`,
      run: async () => {
        for (const alias of aliases) await registry.removeAlias(name, alias);
        await registry.deleteVersion({ name, at: { kind: "version", version } });
        if ((await registry.model(name)).versions.length === 0) await registry.deleteModel(name);
      },
    }),
  );
  return [...images, ...models];
}

async function isConfirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question("delete? [y/N] ")).trim());
  } finally {
    lines.close();
  }
}
