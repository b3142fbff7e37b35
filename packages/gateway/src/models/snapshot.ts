import { createHash } from "node:crypto";
import {
  type CallContext,
  type ModelSpec,
  type ModelTasks,
  nearestNames,
  type ResolvedRequest,
  type Score,
  type ScoreResolved,
  type Tasks,
  UnknownModelError,
  withinRegions,
} from "@tensorgate/core";
import { goldenFrom } from "./golden/golden-pictures.ts";
import { chosenRelease, headReleases, type ReleaseVersions } from "./heads/head-release.ts";
import type { ModelOptions } from "./options.ts";
import { isStackable } from "./picture-input.ts";
import { type Release, releaseFromOptions } from "./release.ts";

/**
 * The models of one configuration. It never changes: a reload replaces it, and a call keeps the release that it resolved.
 */
export interface Snapshot {
  /**
   * Resolves the model of a call, once, when the call starts.
   *
   * @throws UnknownModelError with the nearest names; UnknownVersionError for a version of a head that there is not
   */
  resolve(modelSpec: ModelSpec): Release;
  has(name: string): boolean;
  /** Name of the model of a service, or of the model with that name. */
  modelOfService(service: string): string | undefined;
  /** The release of each model: of a model with its own versions the latest. */
  all(): readonly Release[];
  /** Versions of a model that the gateway itself has, such as those of a head; undefined for all others. */
  versionsOf(name: string): ReleaseVersions | undefined;
  /** Whether versions of a model differ in what its answers mean: a call of it has to name one. */
  hasDifferingVersions(name: string): boolean;
  /** Name of the model whose replicas serve a model: its own, or that of the backbone of a head. */
  backboneOf(name: string): string;
  /** Regions with a pool, each once. */
  readonly regions: readonly string[];
}

/** A pool, as snapshots use it. All of its settings count for the revision. */
export interface SnapshotPool {
  readonly model: string;
  readonly region: string;
  readonly batch?: { readonly maxPictures: number };
  /** Name by which a front end finds the replicas. */
  readonly service?: string;
}

export interface SnapshotOptions {
  /** By default the models of the pools, whose replicas report their signatures. */
  readonly models?: readonly ModelOptions[] | undefined;
  readonly pools: readonly SnapshotPool[];
}

export function createSnapshot({ models, pools }: SnapshotOptions): Snapshot {
  const described = models ?? undescribedModels(pools);
  const releaseOf = (options: ModelOptions): Release => {
    const ofModel = pools.filter(({ model }) => model === options.name);
    const release = releaseFromOptions(options);
    const { picture } = release;
    return {
      ...release,
      golden: goldenFrom(options),
      revision: revisionOf(options, ofModel),
      batchSize: picture && !isStackable(picture) ? 1 : batchSizeOf(ofModel),
    };
  };
  const ownReleases = described.filter(({ head }) => !head).map(releaseOf);
  const differing = new Map(
    described.flatMap((options) =>
      options.versions ? [[options.name, differingReleases(options, releaseOf)] as const] : [],
    ),
  );
  const byName = new Map(ownReleases.map((release) => [release.name, release]));
  const versions = new Map<string, ReleaseVersions>();
  for (const options of described) {
    if (!options.head) continue;
    const releases = headReleases(options, byName.get(options.head.of));
    versions.set(options.name, releases);
    byName.set(options.name, chosenRelease(releases, options));
  }
  const list = described.flatMap(({ name }) => byName.get(name) ?? []);
  return {
    all: () => list,
    regions: [...new Set(pools.map(({ region }) => region))],
    has: (name) => byName.has(name),
    modelOfService: (service) =>
      pools.find((pool) => pool.service === service)?.model ?? byName.get(service)?.name,
    versionsOf: (name) => versions.get(name),
    hasDifferingVersions: (name) => differing.has(name),
    backboneOf: (name) => byName.get(name)?.head?.backbone.name ?? name,
    resolve: (modelSpec) => {
      const { name } = modelSpec;
      const ofHead = versions.get(name);
      if (ofHead) return chosenRelease(ofHead, modelSpec);
      const { version } = modelSpec;
      const ofVersion = version === undefined ? undefined : differing.get(name)?.get(version);
      const release = ofVersion ?? byName.get(name);
      if (release) return release;
      const nearest = nearestNames(name, [...byName.keys()]);
      throw new UnknownModelError(
        name === "" ? "the request names no model" : `unknown model "${name}"`,
        { hint: hintOf(nearest, byName.size) },
      );
    },
  };
}

/** Rejects a call whose body has not come in yet, if the replicas of its model have no room. @throws OverloadedError */
export type AssertCapacity = (
  request: Pick<ResolvedRequest, "model" | "modelSpec">,
  call: CallContext,
) => void;

/** Creates the check of calls of a release. */
export function createCapacityCheck(
  release: Release,
  assertCapacity: AssertCapacity,
): ModelTasks["assertCapacity"] {
  // The replicas of a head are those of its backbone.
  const model = release.head?.backbone ?? release;
  const { name, residency } = model;
  const asked = { modelSpec: { name }, model };
  return (call) => {
    // The cache may answer it.
    if (model.isCached && !call.noStore) return;
    assertCapacity(asked, residency ? withinRegions(call, residency) : call);
  };
}

/** Creates the scorer of requests for a release, which are complete but for it. */
export function createReleaseScorer(model: Release, score: ScoreResolved): Score {
  const { residency } = model;
  return (request, call) =>
    score({ ...request, model }, residency ? withinRegions(call, residency) : call);
}

/** Creates what resolves the models of calls, each to what its release offers. */
export function createModelResolver(
  { resolve }: Pick<Snapshot, "resolve">,
  offeredBy: (release: Release) => ModelTasks,
): Tasks["resolve"] {
  const offered = new Map<Release, ModelTasks>();
  return (modelSpec, { caller, observer }) => {
    caller?.assertMayUse(modelSpec.name);
    const release = resolve(modelSpec);
    if (observer) observer.modelName = release.name;
    const known = offered.get(release);
    if (known) return known;
    const tasks = offeredBy(release);
    offered.set(release, tasks);
    return tasks;
  };
}

/** Builds the releases of the versions that differ from their model. */
function differingReleases(
  { versions = [], ...options }: ModelOptions,
  releaseOf: (options: ModelOptions) => Release,
): ReadonlyMap<bigint, Release> {
  return new Map(
    versions.map(({ version, ...different }) => {
      const merged = { ...options, ...different };
      return [BigInt(version), releaseOf(merged)];
    }),
  );
}

function undescribedModels(pools: readonly SnapshotPool[]): readonly ModelOptions[] {
  return [...new Set(pools.map(({ model }) => model))].map((name) => ({ name }));
}

/** Digests the settings of a model: if a reload changes none of them, its cached responses stay. */
function revisionOf(options: ModelOptions, pools: readonly SnapshotPool[]): string {
  return createHash("sha256")
    .update(JSON.stringify([options, pools]))
    .digest("base64");
}

/** Returns the smallest batch size of the pools of a model. */
function batchSizeOf(pools: readonly SnapshotPool[]): number {
  const sizes = pools.map(({ batch }) => batch?.maxPictures ?? 1);
  return sizes.length === 0 ? 1 : Math.min(...sizes);
}

function hintOf(nearest: readonly string[], count: number): string {
  if (count === 0) return "no model is configured";
  return `did you mean ${nearest.map((name) => `"${name}"`).join(" or ")}? see /v1/catalog`;
}
