import { openRegistry, type Registry } from "@tensorgate/registry";
import { CommandError, UsageError } from "../command-error.ts";
import {
  type ClusterTools,
  chartFolder,
  createClusterTools,
  readQuota,
} from "../deploy/cluster-tools.ts";
import { type DeploymentReport, runDeploymentJob } from "../deploy/deployment-job.ts";
import { quotaText } from "../deploy/device-quota.ts";
import { type PlannedAccess, plannedAccess, releasedValues } from "../deploy/planned-access.ts";
import { type PlannedModels, planModels } from "../deploy/planned-models.ts";
import { type ReadyService, sayPods, scoredLines } from "../deploy/ready-service.ts";
import { recordRelease, revisionOf, takenBack } from "../deploy/releases.ts";
import { writeKey } from "../deploy/service-key.ts";
import { explainRegistryError, recordService, serviceUse } from "../deploy/service-values.ts";
import type { Signals } from "../service/signals.ts";
import { version as productVersion } from "../version.ts";

export interface DeployOptions {
  readonly registry: string;
  readonly namespace: string;
  readonly context?: string;
  /** References, such as `resnet50@champion`. */
  readonly models: readonly string[];
  readonly replicas: number;
  readonly gateways: number;
  readonly resource: string;
  readonly autoscale?: { readonly minReplicas: number; readonly maxReplicas: number };
  /** The product's image. */
  readonly image?: string;
  readonly region: string;
  readonly values?: readonly string[];
  readonly chart?: string;
  /** False for `--no-auth`. */
  readonly auth: boolean;
  readonly keyFile?: string;
  readonly wait?: boolean;
  /** Seconds. */
  readonly timeout: number;
  readonly diff?: boolean;
  readonly dryRun?: boolean;
  readonly manifests?: boolean;
}

const say = (line: string) => process.stderr.write(`${line}\n`);

/** What `deploy edge` and `delete cluster`, `image` and `model` read. */
const reservedNames: ReadonlySet<string> = new Set(["edge", "cluster", "image", "model"]);

/** Deploys a service: gateways, and a model server with replicas for each model. What changes the cluster is a job. */
export async function runDeploy(
  service: string,
  options: DeployOptions,
  signals: Signals,
): Promise<void> {
  assertServiceName(service);
  const registry = openRegistry(options.registry);
  const models = await planModels(registry, options.models, options, say).catch(
    explainRegistryError,
  );
  const tools = createClusterTools(options);
  // Manifests for other tools are made without a cluster.
  const before = options.manifests ? undefined : await releasedValues(tools, service);
  const access = await plannedAccess(service, before, { ...options, say });
  const hadRelease = before !== undefined;
  const plan: Plan = {
    service,
    options,
    registry,
    models,
    access,
    hadRelease,
    tools,
    input: JSON.stringify(valuesOf(service, options, { models, access })),
  };
  if (options.manifests) return printManifests(plan);
  if (options.diff || options.dryRun) return compare(plan);
  const timeoutSeconds = options.timeout;
  const job = { kind: "deploy", service, tools, signals, timeoutSeconds } as const;
  await runDeploymentJob(registry, job, (report) => deploy(plan, report));
}

function assertServiceName(service: string): void {
  if (!/^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/.test(service)) {
    throw new UsageError(
      `invalid name of a service "${service}"; expected up to 30 lower-case letters, digits and dashes`,
    );
  }
  if (reservedNames.has(service)) {
    throw new UsageError(
      `a service cannot be named "${service}", which other commands read otherwise; name another`,
    );
  }
}

/** What is deployed, and where. */
interface Plan {
  readonly service: string;
  readonly options: DeployOptions;
  readonly registry: Registry;
  readonly models: PlannedModels;
  readonly access: PlannedAccess;
  /** Whether the service was there before. */
  readonly hadRelease: boolean;
  readonly tools: ClusterTools;
  /** Values, as JSON for Helm's standard input. */
  readonly input: string;
}

function valuesOf(
  service: string,
  options: DeployOptions,
  { models, access }: Pick<Plan, "models" | "access">,
): object {
  return {
    image: imageFrom(options.image ?? `tensorgate:${productVersion}`),
    gateway: {
      replicas: options.gateways,
      region: options.region,
      // Names of the DNS do not say on which node a replica is.
      ...(options.region.startsWith("kubernetes:///") && { discovery: "kubernetes" }),
      // A chart that is rendered without a cluster cannot see the Secret that it made before.
      ...(options.manifests && { sharing: { secretName: `${service}-sharing` } }),
      ...access.values,
    },
    models: models.values,
  };
}

function imageFrom(text: string): object {
  const [, repository = text, tag = "", digest = ""] =
    /^(.+?)(?::([\w][\w.-]*))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? [];
  return { repository, tag, digest };
}

/** The chart with its values, as arguments of Helm. */
const chartOf = ({ service, options: { chart = chartFolder(), values = [] } }: Plan) => [
  ...[service, chart, "-f", "-"],
  ...values.flatMap((file) => ["-f", file]),
];

const rendered = async (plan: Plan, tools: ClusterTools, ...more: readonly string[]) =>
  (await tools.helm(["template", ...chartOf(plan), ...more], { input: plan.input })).stdout;

async function printManifests(plan: Plan): Promise<void> {
  const { service, options, tools } = plan;
  process.stdout.write(await rendered(plan, tools));
  if (options.gateways === 1) return;
  say(
    `several gateways need a common secret: kubectl --namespace ${options.namespace} create secret generic ${service}-sharing --from-literal=secret="$(openssl rand -hex 24)"`,
  );
}

/** Says what a deployment would change. */
async function compare(plan: Plan): Promise<void> {
  const { options, tools, input } = plan;
  await checkQuota(plan, tools, say);
  const difference = await differenceOf(plan, tools);
  if (options.diff) {
    process.stdout.write(difference.text);
    return;
  }
  say(difference.summary);
  await tools.helm(["upgrade", "--install", ...chartOf(plan), "--dry-run=server"], { input });
  say("dry run: the cluster accepts it; nothing is changed");
}

async function differenceOf(plan: Plan, tools: ClusterTools) {
  const input = await rendered(plan, tools, "--dry-run=server");
  // As Helm applies it: with its annotations, and as it. What the client computes keeps what Helm removes, such as a port.
  const release = { "release-name": plan.service, "release-namespace": tools.namespace };
  const annotations = Object.entries(release).map(
    ([name, value]) => `meta.helm.sh/${name}=${value}`,
  );
  const annotate = ["annotate", "--local", "-f", "-", ...annotations, "-o", "yaml"];
  const { stdout: applied } = await tools.kubectl(annotate, { input });
  const asHelm = ["--server-side", "--force-conflicts", "--field-manager=helm"];
  const { stdout: text } = await tools.kubectl(["diff", ...asHelm, "-f", "-"], {
    input: applied,
    accepted: [0, 1],
  });
  const changed = text.split("\n").filter((line) => /^[+-](?![+-])/.test(line));
  const summary = `diff: ${changed.length === 0 ? "none" : `${changed.length} lines (--diff)`}`;
  const isScaledByQueue = input.includes("kind: ScaledObject");
  return { text, summary, isScaledByQueue };
}

async function checkQuota(
  { service, options, models }: Plan,
  tools: ClusterTools,
  tell: (line: string) => void,
): Promise<void> {
  const { resource, replicas, autoscale, namespace } = options;
  if (resource === "none") return;
  const wantedCount = models.values.length * (autoscale?.minReplicas ?? replicas);
  const question = { resource, wantedCount, service: { name: service, namespace } };
  const quota = await readQuota(tools, question);
  if (quota.freeCount < wantedCount) {
    throw new CommandError(
      `${resource}: ${quotaText(quota)}; lower --replicas, or add nodes: tensorgate cluster create --help`,
    );
  }
  tell(`quota ok: ${quotaText(quota)}`);
}

/** @returns what the job found: the revision and what it runs */
async function deploy(plan: Plan, report: DeploymentReport): Promise<object> {
  const { service, options, registry, models, access, hadRelease, input } = plan;
  const { step, tools } = report;
  if (options.resource !== "none") step("checking the quota");
  await checkQuota(plan, tools, report.say);
  step("comparing with the cluster");
  const difference = await differenceOf(plan, tools);
  report.say(difference.summary);
  if (options.autoscale && options.resource !== "none" && !difference.isScaledByQueue) {
    report.say(
      "autoscaled by processor time, which says little of devices; set prometheus.address (-f) to scale by the queue",
    );
  }
  if (access.created) {
    const path = await writeKey(access.keyFile, access.created);
    report.say(`key written to ${path}, readable by you; it is not shown again`);
  }
  step(options.wait ? "installing, until all pods are ready" : "installing");
  const startedMs = performance.now();
  const waiting = options.wait ? ["--wait", "--timeout", `${options.timeout}s`] : [];
  const install = ["upgrade", "--install", ...chartOf(plan), ...waiting];
  const { code, stderr } = await tools
    .helm(install, { input, accepted: [0, 1] })
    .catch((thrown: unknown) => {
      if (!report.signal.aborted) throw thrown;
      return { code: 1, stderr: "the deployment was cancelled" };
    });
  if (code !== 0) {
    step("taking it back");
    throw await takenBack(plan.tools, service, { hadRelease, reason: stderr });
  }
  const use = serviceUse(service, options.namespace);
  await recordService(registry, use, models.versions).catch(explainRegistryError);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
  const revision = await revisionOf(tools, service);
  report.say(`revision ${revision}${options.wait ? `, ready in ${seconds} s` : ""}`);
  if (options.wait) await finish(plan, report, revision);
  return { revision, models: models.versions.map(({ name, version }) => `${name}@${version}`) };
}

/** Scores a test image, and takes the deployment back if a model cannot. */
async function finish(plan: Plan, report: DeploymentReport, revision: number): Promise<void> {
  const { service, registry, models, access, hadRelease } = plan;
  const { step, say: tell, tools } = report;
  const ready: ReadyService = { name: service, models: models.names, access, say: tell };
  await sayPods(tools, ready);
  step("scoring a test image");
  const lines = await scoredLines(tools, ready).catch(async (thrown: unknown) => {
    if (!(thrown instanceof CommandError && thrown.cause)) throw thrown;
    step("taking it back");
    const reason = thrown.message;
    const failure = await takenBack(plan.tools, service, { hadRelease, revision, reason });
    if (hadRelease) await recordRelease(plan.tools, service, registry);
    else await recordService(registry, serviceUse(service, tools.namespace), []);
    throw failure;
  });
  process.stdout.write(`${lines.join("\n")}\n`);
}
