import {
  commonRegions,
  defaultSignature,
  type ModelCatalog,
  type ModelDescription,
  type ModelInput,
  type ModelMetadata,
  type ModelOutput,
  type NamedTensorInfo,
  type Signature,
  type TensorInfo,
} from "@tensorgate/core";
import type { Release } from "./release.ts";
import type { Snapshot } from "./snapshot.ts";

/** Runtime information of a model, reported by its replicas. */
export interface RuntimeModelInfo {
  /** Versions that can be scored, highest first. */
  readonly versions: readonly bigint[];
  readonly regions: readonly string[];
  /** Absent until a replica has reported it. */
  readonly signatures?: ModelMetadata["signatures"] | undefined;
  /** Whether a replica reported that its weights are random. */
  readonly isSeeded?: boolean;
}

/**
 * Creates the catalog: the configuration, joined with what the replicas report.
 *
 * @param runtimeInfo - called with the regions that count; undefined for all
 */
export function createModelCatalog(
  { all, resolve }: Pick<Snapshot, "all" | "resolve">,
  runtimeInfo: (modelName: string, residency: readonly string[] | undefined) => RuntimeModelInfo,
): ModelCatalog {
  const describe = (release: Release, ofCaller?: readonly string[]): ModelDescription => {
    const residency = commonRegions(ofCaller, release.residency);
    const { versions, regions, signatures, isSeeded } = runtimeInfo(release.name, residency);
    const signature = signatures && defaultSignature({ signatures }, release.signatureName);
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

/** Returns the described outputs, with types and shapes of the signature; without a description all of the signature. */
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

/** Returns only type and shape. */
function infoJson(info: TensorInfo | undefined): Partial<TensorInfo> {
  return info ? { dtype: info.dtype, shape: info.shape } : {};
}
