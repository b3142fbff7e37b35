import {
  commonRegions,
  type ModelCatalog,
  type ModelDescription,
  type ModelInput,
  type ModelOutput,
  type ModelSpec,
  type NamedTensorInfo,
  type Signature,
  type TensorInfo,
  UnknownModelError,
  UnknownVersionError,
} from "@tensorgate/core";
import { wireName } from "@tensorgate/tf-serving";
import { nearestNames } from "./nearest-names.ts";
import type { Release } from "./release.ts";

/** What the replicas say of a model just now. */
export interface LiveModel {
  /** Versions that can be scored, highest first. */
  readonly versions: readonly bigint[];
  readonly regions: readonly string[];
  /** What it takes and gives, by its own account; absent until it told that. */
  readonly signature?: Signature | undefined;
  /** Whether some replica said that its weights were drawn at random. */
  readonly isSeeded?: boolean;
}

export interface Releases {
  /** @throws UnknownModelError with the nearest names */
  get(name: string): Release;
  has(name: string): boolean;
  all(): readonly Release[];
}

export function releases(list: readonly Release[]): Releases {
  const byName = new Map(list.map((release) => [release.name, release]));
  return {
    all: () => list,
    has: (name) => byName.has(name),
    get: (name) => {
      const release = byName.get(name);
      if (release) return release;
      const nearest = nearestNames(name, [...byName.keys()]);
      throw new UnknownModelError(
        name === "" ? "the request names no model" : `there is no model "${name}"`,
        { hint: hintOf(nearest, byName.size) },
      );
    },
  };
}

function hintOf(nearest: readonly string[], count: number): string {
  if (count === 0) return "no model is configured";
  return `did you mean ${nearest.map((name) => `"${name}"`).join(" or ")}? GET /v1/catalog lists all`;
}

/** The catalog: what is configured, joined with what the replicas say. */
export function modelCatalog(
  known: Releases,
  live: (modelName: string) => LiveModel,
): ModelCatalog {
  const describe = (release: Release): ModelDescription => {
    const { versions, regions, signature, isSeeded } = live(release.name);
    return {
      name: release.name,
      task: release.tasks[0] ?? "predict",
      tasks: release.tasks,
      versions,
      regions: commonRegions(regions, release.residency) ?? [],
      input: describedInput(release, signature),
      outputs: describedOutputs(release, signature),
      labels: release.labels,
      weights: isSeeded ? "seeded" : release.weights,
      ...(release.family && { family: release.family.name }),
    };
  };
  return {
    list: () => known.all().map(describe),
    get: (name) => describe(known.get(name)),
  };
}

function describedInput({ picture }: Release, signature: Signature | undefined): ModelInput {
  if (picture) {
    const decodedBy = picture.preprocessing ? "gateway" : "model";
    const { tensor, size } = picture;
    return {
      kind: "picture",
      ...{ tensor, decodedBy },
      ...(size && { width: size.widthPx, height: size.heightPx }),
    };
  }
  return { kind: "tensors", tensors: namedInfos(signature?.inputs) };
}

/** Outputs as they are described, with what the model itself says of them; all of the model's where none is. */
function describedOutputs(
  { outputs, tensorNames }: Release,
  signature: Signature | undefined,
): readonly ModelOutput[] {
  if (outputs.length === 0) {
    return namedInfos(signature?.outputs).map((info) => ({ ...info, holds: "tensor" as const }));
  }
  return outputs.map((output) => {
    const wire = wireName(tensorNames.outputs, output.name, "tensorflow-serving");
    return { ...output, ...infoJson(signature?.outputs.get(wire)) };
  });
}

function namedInfos(infos: Signature["inputs"] = new Map()): readonly NamedTensorInfo[] {
  return [...infos].map(([name, info]) => ({ name, ...infoJson(info) }));
}

/** @returns nothing but type and shape, whatever else is known */
function infoJson(info: TensorInfo | undefined): Partial<TensorInfo> {
  return info ? { dtype: info.dtype, shape: info.shape } : {};
}

/**
 * @throws UnknownVersionError if the replicas told their versions and the one asked for is not among them
 */
export function assertVersionIsServed({ name, version }: ModelSpec, { versions }: LiveModel): void {
  if (version === undefined || versions.length === 0 || versions.includes(version)) return;
  throw new UnknownVersionError(`model "${name}" has no version ${version}`, {
    hint: `it has ${versions.length === 1 ? "version" : "versions"} ${versions.join(", ")}`,
  });
}
