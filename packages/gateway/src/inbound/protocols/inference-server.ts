import {
  type CallContext,
  type GatewayStatus,
  type ModelCounts,
  type ModelDescription,
  ModelNotReadyError,
  type ModelSpec,
  type ModelStatistics,
  type Tasks,
  UnknownVersionError,
} from "@tensorgate/core";
import { visibleModel, visibleModels } from "../access/access.ts";
import { describedModel, hasVersion, versionTexts } from "./described-model.ts";

/** What the gateway says of itself to clients of the Open Inference Protocol, in whatever form. */
export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  /** Extensions of the protocol that are there. */
  readonly extensions: readonly string[];
}

/** @param version - of the gateway */
export function serverMetadata(version: string): ServerMetadata {
  return {
    name: "tensorgate",
    version,
    extensions: [
      "binary_tensor_data",
      "classification",
      "schedule_policy",
      "model_configuration",
      "statistics",
    ],
  };
}

/** What serves models here: clients only show it. */
export const platform = "tensorgate_pool";

type RegionStatus = Pick<GatewayStatus, "regions">;

/** Whether a replica that serves the model is in rotation, in a region that the caller's calls may be served in. */
function isModelReady(
  { name, regions }: Pick<ModelDescription, "name" | "regions">,
  status: RegionStatus,
): boolean {
  return status.regions
    .filter((region) => regions.includes(region.name))
    .flatMap(({ pools }) => pools)
    .some(
      ({ model, replicas }) =>
        model === name && replicas.some(({ state }) => state === "ready" || state === "half-open"),
    );
}

export interface ReadinessDeps {
  readonly call: CallContext;
  readonly tasks: Tasks;
  readonly status: () => RegionStatus;
}

/**
 * @throws ModelNotReadyError if no replica can score the model; UnknownModelError, UnknownVersionError; ForbiddenError if
 *   the caller's key is not for it
 */
export async function assertModelReady(
  modelSpec: ModelSpec,
  { call, tasks, status }: ReadinessDeps,
): Promise<void> {
  const { name } = modelSpec;
  const model = visibleModel(call, tasks.catalog, name);
  if (!isModelReady(model, status())) {
    throw new ModelNotReadyError(`model "${name}" is not ready: no replica can serve it`);
  }
  // A label stands for a version that only replicas know.
  if (modelSpec.versionLabel !== undefined)
    await tasks.resolve(modelSpec, call).signatures(modelSpec, call);
  if (!hasVersion(modelSpec, model)) {
    throw new UnknownVersionError(`model "${name}" has no version ${modelSpec.version}`);
  }
}

export interface IndexedModel {
  readonly name: string;
  /** Empty if it is not known. */
  readonly version: string;
  readonly state: "READY" | "UNAVAILABLE";
  /** Empty if the model can be scored. */
  readonly reason: string;
}

/**
 * The index of the models that the caller may use: an entry for each version.
 *
 * @param isReadyOnly - whether only models that can be scored are asked for
 */
export function modelIndex(
  isReadyOnly: boolean,
  { call, tasks, status }: ReadinessDeps,
): readonly IndexedModel[] {
  const now = status();
  return visibleModels(call, tasks.catalog).flatMap((model) => {
    const isReady = isModelReady(model, now);
    if (isReadyOnly && !isReady) return [];
    const versions = versionTexts(model);
    return (versions.length > 0 ? versions : [""]).map((version) => ({
      name: model.name,
      version,
      state: isReady ? ("READY" as const) : ("UNAVAILABLE" as const),
      reason: isReady ? "" : "no replica can serve the model",
    }));
  });
}

/** The counts of a model, under its newest version. */
export interface CountedModel {
  readonly name: string;
  /** Empty if it is not known. */
  readonly version: string;
  readonly counts: ModelCounts;
}

export interface CountingDeps {
  readonly call: CallContext;
  readonly tasks: Tasks;
  readonly statistics: ModelStatistics;
}

/**
 * @param modelSpec - undefined for all models that the caller may use
 * @throws what `describedModel` throws
 */
export async function countedModels(
  modelSpec: ModelSpec | undefined,
  { call, tasks, statistics }: CountingDeps,
): Promise<readonly CountedModel[]> {
  const models = modelSpec
    ? [(await describedModel(modelSpec, { call, tasks })).description]
    : visibleModels(call, tasks.catalog);
  return models.map((model) => ({
    name: model.name,
    version: versionTexts(model)[0] ?? "",
    counts: statistics.of(model.name),
  }));
}
