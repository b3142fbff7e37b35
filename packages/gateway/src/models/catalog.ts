import {
  type ModelCatalog,
  type ModelDescription,
  type ModelSpec,
  UnknownModelError,
  UnknownVersionError,
} from "@tensorgate/core";
import { nearestNames } from "./nearest-names.ts";
import type { Release } from "./release.ts";

/** What the replicas say of a model just now. */
export interface LiveModel {
  /** Versions that can be scored, highest first. */
  readonly versions: readonly bigint[];
  readonly regions: readonly string[];
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
  const describe = (release: Release): ModelDescription => ({
    name: release.name,
    task: release.tasks[0] ?? "predict",
    tasks: release.tasks,
    ...live(release.name),
    input: release.picture
      ? {
          kind: "picture",
          tensor: release.picture.tensor,
          decodedBy: release.picture.preprocessing ? "gateway" : "model",
        }
      : { kind: "tensors" },
    outputs: release.outputs,
    labels: release.labels,
    weights: release.weights,
    ...(release.family && { family: release.family.name }),
  });
  return {
    list: () => known.all().map(describe),
    get: (name) => describe(known.get(name)),
  };
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
