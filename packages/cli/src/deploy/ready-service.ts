import { ScoringError } from "@tensorgate/client";
import { z } from "zod";
import { callingLines } from "./calling-lines.ts";
import { type ClusterTools, kubectlJson } from "./cluster-tools.ts";
import { serviceSelector } from "./failed-rollout.ts";
import { isPodReady, isPodRunning, podList } from "./kubernetes-objects.ts";
import type { PlannedAccess } from "./planned-access.ts";
import { readKey } from "./service-key.ts";
import { forwardPort, scoreTestImage, type TestScore } from "./test-score.ts";

/** The parts of a release's values, with the chart's own, that say how it is called. */
const calledValues = z.object({
  gateway: z.object({
    service: z.object({ port: z.number() }),
    tls: z.object({ secretName: z.string() }),
  }),
});

/** How a service is called in its cluster. */
interface CalledPort {
  readonly port: number;
  readonly isTls: boolean;
}

async function calledPort({ helm }: ClusterTools, service: string): Promise<CalledPort> {
  const { stdout } = await helm(["get", "values", service, "--all", "-o", "json"]);
  const { gateway } = calledValues.parse(JSON.parse(stdout));
  return { port: gateway.service.port, isTls: gateway.tls.secretName !== "" };
}

export interface ReadyService {
  readonly name: string;
  /** Names of models and heads. */
  readonly models: readonly string[];
  readonly access: PlannedAccess;
  readonly say: (line: string) => void;
}

/** Says how many pods of a service are ready. */
export async function sayPods(tools: ClusterTools, { name, say }: ReadyService): Promise<void> {
  const { items } = await kubectlJson(tools, ["get", "pods", ...serviceSelector(name)], podList);
  say(`pods: ${items.filter(isPodReady).length}/${items.filter(isPodRunning).length} ready`);
}

/** Reasons for which a key, and not the service, is to blame. */
const reasonsOfAccess: ReadonlySet<string> = new Set([
  "unauthenticated",
  "forbidden",
  "quota-exceeded",
]);

/**
 * Scores a test image with each model of a service that is ready.
 *
 * @returns lines that call it
 * @throws CommandError if a model does not score it
 */
export async function scoredLines(
  tools: ClusterTools,
  { name, models, access, say }: ReadyService,
): Promise<readonly string[]> {
  const { port, isTls } = await calledPort(tools, name);
  const { allowAnonymous: isOpen } = access.values;
  const key =
    access.created ?? (await readKey(access.keyFile)) ?? process.env["TENSORGATE_API_KEY"];
  const tasks = new Map<string, TestScore["task"]>();
  if (key === undefined && !isOpen) {
    say(`not scored: no key in ${access.keyFile} or TENSORGATE_API_KEY`);
  } else {
    await using forwarded = await forwardPort(tools, { service: name, port, isTls });
    const { url } = forwarded;
    for (const model of models) {
      try {
        const { text, task } = await scoreTestImage({ url, key: isOpen ? undefined : key }, model);
        tasks.set(model, task);
        say(text);
      } catch (thrown) {
        const { cause } = thrown as Error;
        if (!ScoringError.is(cause) || !reasonsOfAccess.has(cause.reason)) throw thrown;
        say(`not scored with the key of ${access.keyFile}: ${cause.message}`);
      }
    }
  }
  const scheme = isTls ? "https" : "http";
  const isUsual = port === (isTls ? 443 : 80);
  const url = `${scheme}://${name}.${tools.namespace}.svc${isUsual ? "" : `:${port}`}`;
  const model = models.find((each) => tasks.get(each)) ?? models[0] ?? "MODEL";
  const lines = callingLines({
    url,
    model,
    task: tasks.get(model) ?? "classify",
    keyFile: isOpen ? undefined : access.keyFile,
  });
  const local = isTls ? 8443 : 8080;
  const forward = `kubectl --namespace ${tools.namespace} port-forward service/${name} ${local}:${port}`;
  return [url, ...lines.map((line) => `  ${line}`), `  from your machine: ${forward}`];
}
