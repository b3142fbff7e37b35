import { version as productVersion } from "@tensorgate/gateway";
import { openRegistry } from "@tensorgate/registry";
import { z } from "zod";
import { CommandError, UsageError } from "../command-error.ts";
import { callingLines } from "../deploy/calling-lines.ts";
import {
  type ClusterTools,
  chartFolder,
  createClusterTools,
  kubectlJson,
  readQuota,
} from "../deploy/cluster-tools.ts";
import { quotaText } from "../deploy/device-quota.ts";
import { failedPodLines, serviceSelector } from "../deploy/failed-rollout.ts";
import { isPodReady, isPodRunning, podList } from "../deploy/kubernetes-objects.ts";
import { type PlannedModels, planModels } from "../deploy/planned-models.ts";
import { createKey, keyEntry, readKey, writeKey } from "../deploy/service-key.ts";
import { explainRegistryError, recordService, serviceUse } from "../deploy/service-values.ts";
import { forwardPort, scoreTestImage, type TestScore } from "../deploy/test-score.ts";

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

/** Deploys a service: gateways, and a model server with replicas for each model. */
export async function runDeploy(service: string, options: DeployOptions): Promise<void> {
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
  const registry = openRegistry(options.registry);
  const models = await planModels(registry, options.models, options, say).catch(
    explainRegistryError,
  );
  const tools = createClusterTools(options);
  // Manifests for other tools are made without a cluster.
  const before = options.manifests ? undefined : await releasedValues(tools, service);
  const access = await plannedAccess(service, before, options);
  const chart = [service, options.chart ?? chartFolder()];
  const values = [...["-f", "-"], ...(options.values ?? []).flatMap((file) => ["-f", file])];
  const input = JSON.stringify({
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
  });
  const template = (...more: string[]) =>
    tools.helm(["template", ...chart, ...values, ...more], { input });
  if (options.manifests) {
    process.stdout.write((await template()).stdout);
    if (options.gateways > 1) {
      say(
        `several gateways need a common secret: kubectl --namespace ${options.namespace} create secret generic ${service}-sharing --from-literal=secret="$(openssl rand -hex 24)"`,
      );
    }
    return;
  }
  await checkQuota(tools, service, options, models.values.length);
  const difference = await tools.kubectl(["diff", "-f", "-"], {
    input: (await template("--dry-run=server")).stdout,
    accepted: [0, 1],
  });
  if (options.diff) {
    process.stdout.write(difference.stdout);
    return;
  }
  const changed = difference.stdout.split("\n").filter((line) => /^[+-](?![+-])/.test(line));
  say(`diff: ${changed.length === 0 ? "none" : `${changed.length} lines (--diff)`}`);
  const install = ["upgrade", "--install", ...chart, ...values];
  if (options.dryRun) {
    await tools.helm([...install, "--dry-run=server"], { input });
    say("dry run: the cluster accepts it; nothing is changed");
    return;
  }
  if (access.created) {
    const path = await writeKey(access.keyFile, access.created);
    say(`key written to ${path}, readable by you; it is not shown again`);
  }
  const startedMs = performance.now();
  const waiting = options.wait ? ["--wait", "--timeout", `${options.timeout}s`] : [];
  const { code, stderr } = await tools.helm([...install, ...waiting], { input, accepted: [0, 1] });
  if (code !== 0) {
    throw await rolledBack(tools, service, { hadRelease: before !== undefined, reason: stderr });
  }
  const use = serviceUse(service, options.namespace);
  await recordService(registry, use, models.versions).catch(explainRegistryError);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
  say(
    `revision ${await revisionOf(tools, service)}${options.wait ? `, ready in ${seconds} s` : ""}`,
  );
  if (options.wait) await report(tools, service, { models, access });
}

/** The parts of a release's values that later deployments keep. */
const keptValues = z.object({
  gateway: z
    .object({ keys: z.array(z.record(z.string(), z.unknown())), allowAnonymous: z.boolean() })
    .partial()
    .default({}),
});

type KeptValues = z.infer<typeof keptValues>;

async function releasedValues(
  { helm }: ClusterTools,
  service: string,
): Promise<KeptValues | undefined> {
  const { code, stdout, stderr } = await helm(["get", "values", service, "-o", "json"], {
    accepted: [0, 1],
  });
  if (code === 0) return keptValues.parse(JSON.parse(stdout) ?? {});
  if (/not found/i.test(stderr)) return undefined;
  throw new CommandError(`helm get values failed: ${stderr.trim()}`);
}

interface PlannedAccess {
  readonly values: object;
  readonly keyFile: string;
  /** A key that did not exist before. */
  readonly created: string | undefined;
}

/** Keys are created once: later deployments keep those of the first one. */
async function plannedAccess(
  service: string,
  before: KeptValues | undefined,
  { auth, keyFile = `./${service}.key` }: DeployOptions,
): Promise<PlannedAccess> {
  if (!auth) {
    say("without keys everybody who reaches the service may call it (--no-auth)");
    return { values: { allowAnonymous: true, keys: [] }, keyFile, created: undefined };
  }
  const keys = before?.gateway.keys ?? [];
  if (keys.length > 0) {
    return { values: { keys, allowAnonymous: false }, keyFile, created: undefined };
  }
  const models = ["*"];
  // That of a service that was deleted, say: its callers have it already.
  const existing = await readKey(keyFile);
  const { key, entry } = existing
    ? keyEntry(existing, { id: service, models })
    : createKey(service, models);
  const created = existing ? undefined : key;
  return { values: { keys: [entry], allowAnonymous: false }, keyFile, created };
}

function imageFrom(text: string): object {
  const [, repository = text, tag = "", digest = ""] =
    /^(.+?)(?::([\w][\w.-]*))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? [];
  return { repository, tag, digest };
}

async function checkQuota(
  tools: ClusterTools,
  service: string,
  { resource, replicas, autoscale, namespace }: DeployOptions,
  modelCount: number,
): Promise<void> {
  if (resource === "none") return;
  const wantedCount = modelCount * (autoscale?.minReplicas ?? replicas);
  const question = { resource, wantedCount, service: { name: service, namespace } };
  const quota = await readQuota(tools, question);
  if (quota.freeCount < wantedCount) {
    throw new CommandError(
      `${resource}: ${quotaText(quota)}; lower --replicas, or add nodes: tensorgate cluster create --help`,
    );
  }
  say(`quota ok: ${quotaText(quota)}`);
}

/** Says why a roll-out failed, takes it back, and returns the error. */
async function rolledBack(
  tools: ClusterTools,
  service: string,
  { hadRelease, reason }: { readonly hadRelease: boolean; readonly reason: string },
): Promise<CommandError> {
  const lines = await failedPodLines(tools, service).catch(() => []);
  // Without a revision, the last one that succeeded.
  const previous = hadRelease ? await lastDeployed(tools, service) : undefined;
  const undo = previous
    ? ["rollback", service, previous, "--wait"]
    : ["uninstall", service, "--wait", "--ignore-not-found"];
  const { code, stderr } = await tools.helm(undo, { accepted: [0, 1] });
  const undone = previous ? `rolled back to revision ${previous}` : "removed again";
  const end = code === 0 ? undone : `the rollback failed as well: ${stderr.trim()}`;
  // Helm writes its log before the error.
  const errors = reason.split("\n").filter((line) => line.startsWith("Error: "));
  const first = (errors[0] ?? reason.trim().split("\n")[0] ?? "").replace("Error: ", "");
  return new CommandError([`${service} is not ready: ${first}`, ...lines, end].join("\n"));
}

const history = z.array(z.object({ revision: z.number(), status: z.string() }));

async function lastDeployed({ helm }: ClusterTools, service: string): Promise<string | undefined> {
  const { stdout } = await helm(["history", service, "-o", "json"]);
  const good = history
    .parse(JSON.parse(stdout))
    .filter(({ status }) => status === "deployed" || status === "superseded");
  const last = good.at(-1);
  return last === undefined ? undefined : String(last.revision);
}

async function revisionOf({ helm }: ClusterTools, service: string): Promise<number> {
  const { stdout } = await helm(["status", service, "-o", "json"]);
  return z.object({ version: z.number() }).parse(JSON.parse(stdout)).version;
}

async function report(
  tools: ClusterTools,
  service: string,
  { models, access }: { readonly models: PlannedModels; readonly access: PlannedAccess },
): Promise<void> {
  const { items } = await kubectlJson(tools, ["get", "pods", ...serviceSelector(service)], podList);
  say(`pods: ${items.filter(isPodReady).length}/${items.filter(isPodRunning).length} ready`);
  const key =
    access.created ?? (await readKey(access.keyFile)) ?? process.env["TENSORGATE_API_KEY"];
  const tasks = new Map<string, TestScore["task"]>();
  const isOpen = "allowAnonymous" in access.values && access.values.allowAnonymous === true;
  if (key === undefined && !isOpen) {
    say(`not scored: no key in ${access.keyFile} or TENSORGATE_API_KEY`);
  } else {
    await using forwarded = await forwardPort(tools, service, 80);
    const { url } = forwarded;
    for (const name of models.names) {
      const { text, task } = await scoreTestImage({ url, key: isOpen ? undefined : key }, name);
      tasks.set(name, task);
      say(`scored a test image: ${text}`);
    }
  }
  const url = `http://${service}.${tools.namespace}.svc`;
  const model = models.names.find((name) => tasks.get(name)) ?? models.names[0] ?? "MODEL";
  const lines = callingLines({
    url,
    model,
    task: tasks.get(model) ?? "classify",
    keyFile: isOpen ? undefined : access.keyFile,
  });
  const forward = `kubectl --namespace ${tools.namespace} port-forward service/${service} 8080:80`;
  const all = [url, ...lines.map((line) => `  ${line}`), `  from your machine: ${forward}`];
  process.stdout.write(`${all.join("\n")}\n`);
}
