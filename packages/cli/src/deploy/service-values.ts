import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelOptions } from "@tensorgate/gateway";
import {
  type ImageForm,
  type ModelVersion,
  type Registry,
  RegistryError,
} from "@tensorgate/registry";
import { z } from "zod";
import { CommandError } from "../command-error.ts";
import { modelOptionsFromFolder } from "../demo/model-options.ts";
import { importModelServer } from "../import-model-server.ts";

/** Between which an autoscaler chooses the number of replicas. */
export interface ReplicaRange {
  readonly minReplicas: number;
  readonly maxReplicas: number;
}

export interface ModelPlan {
  readonly replicas: number;
  readonly resource: string;
  readonly autoscale?: ReplicaRange | undefined;
}

/** A model as the chart's values have it. */
export interface ModelValues extends Omit<ModelPlan, "autoscale"> {
  readonly name: string;
  readonly version: string;
  readonly source: { readonly kind: "imageVolume" | "image"; readonly image: string };
  readonly autoscale?: ReplicaRange;
  readonly release: Omit<ModelOptions, "name">;
  /** Heads on the features of the model, which the gateway has. */
  readonly heads?: readonly HeadValues[];
}

/** A head as the chart's values have it. */
export interface HeadValues extends Omit<NonNullable<ModelOptions["head"]>, "of"> {
  readonly name: string;
}

/**
 * Computes the values of a model: its image by its digest, and its release for the gateway, which is what its manifest
 * says of preprocessing, labels and outputs.
 *
 * @throws CommandError if the version has no image that a cluster can pull
 */
export async function modelValues(
  version: ModelVersion,
  { replicas, resource, autoscale }: ModelPlan,
): Promise<ModelValues> {
  const { name } = version;
  const image = deployable(version);
  const { name: _, ...release } = await releaseOf(version);
  return {
    name,
    version: String(version.version),
    replicas,
    resource,
    source: {
      kind: image.base === undefined ? "imageVolume" : "image",
      image: `${repositoryOf(image.reference)}@sha256:${image.sha256}`,
    },
    // By processor time or by the queue: the chart knows whether there is a Prometheus.
    ...(autoscale && { autoscale }),
    release,
  };
}

/** An image of the model alone is smaller, and its server is the gateway's own version. */
function deployable({ name, version, images }: ModelVersion): ImageForm {
  const pushed = images.filter(({ isPushed }) => isPushed);
  const found = pushed.find(({ base }) => base === undefined) ?? pushed[0];
  if (found) return found;
  throw new CommandError(
    `${name}@${version} has no pushed image; build one: tensorgate image build ${name}@${version} --name registry.example/${name}:${version} --model-only --push`,
  );
}

const repositoryOf = (reference: string) => reference.replace(/:[^:/]+$/, "");

async function releaseOf({ name, folder }: ModelVersion) {
  const file = join(folder, "manifest.json");
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return modelOptionsFromFolder({ name, manifest: undefined });
  const { parseManifest } = await importModelServer();
  try {
    return modelOptionsFromFolder({ name, manifest: parseManifest(text, file) });
  } catch (thrown) {
    throw new CommandError((thrown as Error).message);
  }
}

/** Name by which the registry knows a service. */
export function serviceUse(name: string, namespace: string): string {
  return namespace === "default" ? name : `${namespace}/${name}`;
}

/** Records which versions a service runs, and forgets those that it ran before. */
export async function recordService(
  registry: Registry,
  service: string,
  running: readonly ModelVersion[],
): Promise<void> {
  for (const { name } of await registry.models()) {
    const now = running.find((each) => each.name === name);
    const use = { kind: "service", name: service } as const;
    if (now) await registry.recordUse({ name, at: { kind: "version", version: now.version } }, use);
    else await registry.forgetUse(name, use);
  }
}

/** Finds the versions that a service runs, as the registry has recorded. */
export async function versionsOfService(
  registry: Registry,
  service: string,
): Promise<readonly ModelVersion[]> {
  const found: ModelVersion[] = [];
  for (const { name, versions } of await registry.models()) {
    for (const number of versions) {
      const version = await registry.version({ name, at: { kind: "version", version: number } });
      if (version.services.includes(service)) found.push(version);
    }
  }
  return found;
}

/** Converts an error of the registry to one for the user. */
export function explainRegistryError(thrown: unknown): never {
  throw thrown instanceof RegistryError ? new CommandError(thrown.message) : thrown;
}

/** The parts of a release's values that say which versions it runs. */
export interface ReleasedModels {
  readonly gateway: { readonly autoscaling: { readonly kind: string } };
  readonly models: readonly {
    readonly name: string;
    readonly version: string;
    readonly autoscale?: ReplicaRange | undefined;
    readonly heads: readonly {
      readonly name: string;
      readonly versions: readonly { readonly version: string }[];
    }[];
  }[];
}

export const releasedModels: z.ZodType<ReleasedModels> = z.object({
  gateway: z
    .object({
      autoscaling: z.object({ kind: z.string().default("none") }).default({ kind: "none" }),
    })
    .default({ autoscaling: { kind: "none" } }),
  models: z
    .array(
      z.object({
        name: z.string(),
        version: z.string(),
        autoscale: z.object({ minReplicas: z.number(), maxReplicas: z.number() }).optional(),
        heads: z
          .array(
            z.object({
              name: z.string(),
              versions: z.array(z.object({ version: z.coerce.string() })).min(1),
            }),
          )
          .default([]),
      }),
    )
    .default([]),
});

/** Lists the versions of models and heads that a release runs. */
export function versionsOfRelease({
  models,
}: ReleasedModels): readonly { readonly name: string; readonly version: string }[] {
  return models.flatMap(({ name, version, heads }) => [
    { name, version },
    ...heads.map((head) => ({ name: head.name, version: head.versions[0]?.version ?? "" })),
  ]);
}
