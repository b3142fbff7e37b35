import { createHash } from "node:crypto";
import { type ModelSpec, nearestNames, UnknownModelError } from "@tensorgate/core";
import type { ModelOptions } from "./options.ts";
import { isStackable } from "./picture-input.ts";
import { type Release, releaseFromOptions } from "./release.ts";

/**
 * What one configuration means for calls. It never changes: a reload puts another one in its place, and a call keeps
 * what it resolved to.
 */
export interface Snapshot {
  /**
   * Resolves the model of a call, once, when the call begins.
   *
   * @throws UnknownModelError with the nearest names
   */
  resolve(modelSpec: ModelSpec): Release;
  has(name: string): boolean;
  /** Name of the model of a service, or of the model with that name. */
  modelOfService(service: string): string | undefined;
  all(): readonly Release[];
}

/** A pool as far as it decides what a model's answers are. All that it says counts for the revision. */
export interface SnapshotPool {
  readonly model: string;
  readonly batch?: { readonly maxPictures: number };
  /** Name by which a front end finds the replicas. */
  readonly service?: string;
}

export interface SnapshotOptions {
  /** Without it every model that a pool names is there, and its replicas tell what it takes and gives. */
  readonly models?: readonly ModelOptions[] | undefined;
  readonly pools: readonly SnapshotPool[];
}

export function createSnapshot({ models, pools }: SnapshotOptions): Snapshot {
  const described = models ?? undescribedModels(pools);
  const list = described.map((options): Release => {
    const ofModel = pools.filter(({ model }) => model === options.name);
    const release = releaseFromOptions(options);
    const { picture } = release;
    return {
      ...release,
      revision: revisionOf(options, ofModel),
      batchSize: picture && !isStackable(picture) ? 1 : batchSizeOf(ofModel),
    };
  });
  const byName = new Map(list.map((release) => [release.name, release]));
  return {
    all: () => list,
    has: (name) => byName.has(name),
    modelOfService: (service) =>
      pools.find((pool) => pool.service === service)?.model ?? byName.get(service)?.name,
    resolve: ({ name }) => {
      const release = byName.get(name);
      if (release) return release;
      const nearest = nearestNames(name, [...byName.keys()]);
      throw new UnknownModelError(
        name === "" ? "the request names no model" : `unknown model "${name}"`,
        { hint: hintOf(nearest, byName.size) },
      );
    },
  };
}

function undescribedModels(pools: readonly SnapshotPool[]): readonly ModelOptions[] {
  return [...new Set(pools.map(({ model }) => model))].map((name) => ({ name }));
}

/** A digest rather than a number: what a reload did not change keeps its revision, and so its cached answers. */
function revisionOf(options: ModelOptions, pools: readonly SnapshotPool[]): string {
  return createHash("sha256")
    .update(JSON.stringify([options, pools]))
    .digest("base64");
}

/** Every replica of a model takes as many pictures at once as the least that one of its pools says. */
function batchSizeOf(pools: readonly SnapshotPool[]): number {
  const sizes = pools.map(({ batch }) => batch?.maxPictures ?? 1);
  return sizes.length === 0 ? 1 : Math.min(...sizes);
}

function hintOf(nearest: readonly string[], count: number): string {
  if (count === 0) return "no model is configured";
  return `did you mean ${nearest.map((name) => `"${name}"`).join(" or ")}? see /v1/catalog`;
}
