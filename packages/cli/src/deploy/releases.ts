import type { Registry } from "@tensorgate/registry";
import { z } from "zod";
import { CommandError } from "../command-error.ts";
import type { ClusterTools } from "./cluster-tools.ts";
import { failedPodLines } from "./failed-rollout.ts";
import {
  explainRegistryError,
  recordService,
  releasedModels,
  serviceUse,
  versionsOfRelease,
} from "./service-values.ts";

const revisions = z.array(z.object({ revision: z.number(), status: z.string() }));

/** Returns the last revision that was deployed without a failure, other than `except`; undefined if there is none. */
export async function lastGoodRevision(
  { helm }: ClusterTools,
  service: string,
  except?: number,
): Promise<number | undefined> {
  const { stdout } = await helm(["history", service, "-o", "json"]);
  return revisions
    .parse(JSON.parse(stdout))
    .filter(({ status }) => status === "deployed" || status === "superseded")
    .filter(({ revision }) => revision !== except)
    .at(-1)?.revision;
}

/** Returns the number of the present revision. */
export async function revisionOf({ helm }: ClusterTools, service: string): Promise<number> {
  const { stdout } = await helm(["status", service, "-o", "json"]);
  return z.object({ version: z.number() }).parse(JSON.parse(stdout)).version;
}

/** Records in the registry which versions the present revision runs. @returns them, as `shapes@1` */
export async function recordRelease(
  { helm, namespace }: ClusterTools,
  service: string,
  registry: Registry,
): Promise<readonly string[]> {
  const { stdout } = await helm(["get", "values", service, "-o", "json"]);
  const released = versionsOfRelease(releasedModels.parse(JSON.parse(stdout)));
  const running = released.map(({ name, version }) =>
    registry.version({ name, at: { kind: "version", version: BigInt(version) } }),
  );
  await recordService(
    registry,
    serviceUse(service, namespace),
    await Promise.all(running).catch(explainRegistryError),
  ).catch(explainRegistryError);
  return released.map(({ name, version }) => `${name}@${version}`);
}

/** A deployment that failed. */
export interface FailedDeployment {
  /** Whether the service was there before. */
  readonly hadRelease: boolean;
  /** Of the deployment, if it has become one that was ready. */
  readonly revision?: number;
  readonly reason: string;
}

/** Says why a deployment failed, takes it back, and returns the error. */
export async function takenBack(
  tools: ClusterTools,
  service: string,
  { hadRelease, revision, reason }: FailedDeployment,
): Promise<CommandError> {
  const lines = await failedPodLines(tools, service).catch(() => []);
  const previous = hadRelease ? await lastGoodRevision(tools, service, revision) : undefined;
  const undo =
    previous === undefined
      ? ["uninstall", service, "--wait", "--ignore-not-found"]
      : ["rollback", service, String(previous), "--wait"];
  const { code, stderr } = await tools.helm(undo, { accepted: [0, 1] });
  const undone = previous === undefined ? "removed again" : `rolled back to revision ${previous}`;
  const end = code === 0 ? undone : `the rollback failed as well: ${stderr.trim()}`;
  // Helm writes its log before the error.
  const errors = reason.split("\n").filter((line) => line.startsWith("Error: "));
  const first = (errors[0] ?? reason.trim().split("\n")[0] ?? "").replace("Error: ", "");
  return new CommandError([`${service} is not ready: ${first}`, ...lines, end].join("\n"));
}
