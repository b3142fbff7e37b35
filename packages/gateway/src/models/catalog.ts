import {
  commonRegions,
  type ModelCatalog,
  type ModelDescription,
  type ModelInput,
  type ModelOutput,
  type NamedTensorInfo,
  type Signature,
  type TensorInfo,
} from "@tensorgate/core";
import type { Release } from "./release.ts";
import type { Snapshot } from "./snapshot.ts";

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

/**
 * The catalog: what is configured, joined with what the replicas say.
 *
 * @param live - called with the regions that count; all of them where there are none
 */
export function createModelCatalog(
  { all, resolve }: Pick<Snapshot, "all" | "resolve">,
  live: (modelName: string, residency: readonly string[] | undefined) => LiveModel,
): ModelCatalog {
  const describe = (release: Release, ofCaller?: readonly string[]): ModelDescription => {
    const residency = commonRegions(ofCaller, release.residency);
    const { versions, regions, signature, isSeeded } = live(release.name, residency);
    return {
      name: release.name,
      task: release.tasks[0] ?? "predict",
      tasks: release.tasks,
      versions,
      regions: commonRegions(regions, residency) ?? [],
      input: describedInput(release, signature),
      outputs: describedOutputs(release, signature),
      labels: release.labels,
      weights: isSeeded ? "seeded" : release.weights,
      ...(release.family && { family: release.family.name }),
    };
  };
  return {
    list: (residency) => all().map((release) => describe(release, residency)),
    get: (name, residency) => describe(resolve({ name }), residency),
  };
}

function describedInput({ picture }: Release, signature: Signature | undefined): ModelInput {
  if (picture) {
    const decodedBy = picture.preprocessing ? "gateway" : "model";
    const { tensor, size } = picture;
    return {
      kind: "picture",
      tensor,
      decodedBy,
      ...(size && { width: size.widthPx, height: size.heightPx }),
    };
  }
  return { kind: "tensors", tensors: namedInfos(signature?.inputs) };
}

/** Outputs as they are described, with what the model itself says of them; all of the model's where none is. */
function describedOutputs(
  { outputs, wireNames }: Release,
  signature: Signature | undefined,
): readonly ModelOutput[] {
  if (outputs.length === 0) {
    return namedInfos(signature?.outputs).map((info) => ({ ...info, holds: "tensor" as const }));
  }
  return outputs.map((output) => {
    const wire = wireNames["tensorflow-serving"].outputs.get(output.name) ?? output.name;
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
