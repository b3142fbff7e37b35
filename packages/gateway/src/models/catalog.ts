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
  type Task,
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
  { all, has, resolve }: Pick<Snapshot, "all" | "has" | "resolve">,
  runtimeInfo: (modelName: string, residency: readonly string[] | undefined) => RuntimeModelInfo,
): ModelCatalog {
  const describe = (release: Release, ofCaller?: readonly string[]): ModelDescription => {
    const residency = commonRegions(ofCaller, release.residency);
    const { versions, regions, signatures, isSeeded } = runtimeInfo(release.name, residency);
    const signature = signatures && defaultSignature({ signatures }, release.signatureName);
    const tasks = signature ? confirmedTasks(release, signature) : release.tasks;
    return {
      name: release.name,
      task: tasks[0] ?? "predict",
      tasks,
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
    has,
    list: (residency) => all().map((release) => describe(release, residency)),
    get: (name, residency) => describe(resolve({ name }), residency),
  };
}

/** Returns the tasks of a release that its replicas have outputs for, as far as their names tell. */
function confirmedTasks(release: Release, signature: Signature): readonly Task[] {
  const { classScores, features, detector, outputs } = release;
  const hasOutput = (name: string) => reportedOutput(release, signature, name) !== undefined;
  // The only output of a model is taken for its scores, whatever its name, unless it is known to be another.
  const isOnly =
    signature.outputs.size === 1 &&
    !outputs.some(
      (each) => each.holds !== "probabilities" && each.holds !== "logits" && hasOutput(each.name),
    );
  const has: Readonly<Record<Task, boolean>> = {
    classify: classScores !== undefined && (isOnly || hasOutput(classScores.tensor)),
    embed: features !== undefined && hasOutput(features.tensor),
    detect: detector !== undefined,
    predict: true,
  };
  return release.tasks.filter((task) => has[task]);
}

/** Returns what replicas report of an output, by its name at a stock server or by its pattern. */
function reportedOutput(
  { wireNames }: Release,
  { outputs }: Signature,
  name: string,
): TensorInfo | undefined {
  const names = wireNames["tensorflow-serving"];
  const info = outputs.get(names.outputs.get(name) ?? name);
  if (info) return info;
  const pattern = names.patterns.find((each) => each.name === name)?.pattern;
  return pattern && [...outputs].find(([wire]) => pattern.test(wire))?.[1];
}

function describedInput({ picture }: Release, signature: Signature | undefined): ModelInput {
  if (picture) {
    const decodedBy = picture.preprocessing ? "gateway" : "model";
    const { tensor, size, resize } = picture;
    // A size that was configured for clients says nothing of what is cut from it.
    const isCropped = resize?.kind === "shorter-side" && resize.px === size?.widthPx;
    return {
      kind: "picture",
      tensor,
      decodedBy,
      ...(size && { width: size.widthPx, height: size.heightPx }),
      ...(isCropped && { crop: { width: resize.crop.widthPx, height: resize.crop.heightPx } }),
    };
  }
  return { kind: "tensors", tensors: namedInfos(signature?.inputs) };
}

/** Returns the described outputs, with types and shapes of the signature; without a description all of the signature. */
function describedOutputs(
  release: Release,
  signature: Signature | undefined,
): readonly ModelOutput[] {
  const { outputs } = release;
  if (outputs.length === 0) {
    return namedInfos(signature?.outputs).map((info) => ({ ...info, holds: "tensor" as const }));
  }
  if (!signature) return outputs;
  return outputs.flatMap((output) => {
    const info = reportedOutput(release, signature, output.name);
    // Features are taken from no output of another name.
    if (!info && output.holds === "features") return [];
    return [{ ...output, ...infoJson(info) }];
  });
}

function namedInfos(infos: Signature["inputs"] = new Map()): readonly NamedTensorInfo[] {
  return [...infos].map(([name, info]) => ({ name, ...infoJson(info) }));
}

/** Returns only type and shape. */
function infoJson(info: TensorInfo | undefined): Partial<TensorInfo> {
  return info ? { dtype: info.dtype, shape: info.shape } : {};
}
