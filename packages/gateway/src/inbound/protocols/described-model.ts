import {
  type CallContext,
  type ModelDescription,
  type ModelSpec,
  type ModelTasks,
  type NamedTensorInfo,
  NotSupportedError,
  type Tasks,
  UnknownVersionError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { type Datatype, isDatatype } from "@tensorgate/open-inference";
import { visibleModel } from "../access/access.ts";

/** A tensor as the protocol describes it; -1 stands for any extent. */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** A model as clients of the protocol see it. */
export interface DescribedModel {
  readonly description: ModelDescription;
  /** Empty if no replica describes them. */
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

const maxVersion = 2n ** 63n - 1n;

/**
 * The model that a path or message names.
 *
 * @param version - a number, or a label; empty for the latest
 * @throws UnknownVersionError if it is a number beyond int64
 */
export function modelSpecOf(name: string, version: string): ModelSpec {
  if (version === "") return { name };
  if (!/^\d+$/.test(version)) return { name, versionLabel: version };
  const tooLong = version.length > 40;
  if (tooLong || BigInt(version) > maxVersion) {
    throw new UnknownVersionError(`model "${name}" has no version ${version.slice(0, 40)}`);
  }
  return { name, version: BigInt(version) };
}

export interface DescribingDeps {
  readonly call: CallContext;
  readonly tasks: Tasks;
  /** Resolves the model, where its call has not done so before. */
  readonly model?: () => ModelTasks;
}

/**
 * Describes a model under the names of the catalog, and asks a replica if none has reported its tensors yet, or if a
 * version is asked for that may not exist.
 *
 * @throws UnknownModelError, UnknownVersionError or what asking a replica throws; ForbiddenError if the caller's key is
 *   not for the model
 */
export async function describedModel(
  modelSpec: ModelSpec,
  { call, tasks, model = () => tasks.resolve(modelSpec, call) }: DescribingDeps,
): Promise<DescribedModel> {
  const before = visibleModel(call, tasks.catalog, modelSpec.name);
  if (isComplete(before) && isLatest(modelSpec, before)) return withTensors(before);
  try {
    await model().signatures(modelSpec, call);
  } catch (thrown) {
    // Containers do not describe their models, and a picture can be scored without: what the configuration says is known.
    const isPicture = before.input.kind === "picture" && thrown instanceof UpstreamFailedError;
    if (!isPicture && !(thrown instanceof NotSupportedError)) throw thrown;
  }
  return withTensors(visibleModel(call, tasks.catalog, modelSpec.name));
}

/** Whether the description is that of the version that was asked for. */
export function isLatest(
  { version, versionLabel }: ModelSpec,
  { versions }: Pick<ModelDescription, "versions">,
): boolean {
  return versionLabel === undefined && (version === undefined || version === versions[0]);
}

function isComplete({ input, outputs }: ModelDescription): boolean {
  const hasInputs = input.kind === "picture" || input.tensors.length > 0;
  return hasInputs && outputs.length > 0 && outputs.every(({ dtype }) => dtype !== undefined);
}

function withTensors(description: ModelDescription): DescribedModel {
  const { input, outputs } = description;
  return {
    description,
    // Whatever the replica takes: the gateway decodes pictures where the model does not.
    inputs:
      input.kind === "picture"
        ? [{ name: input.tensor, datatype: "BYTES", shape: [-1] }]
        : input.tensors.flatMap(tensorMetadata),
    outputs: outputs.flatMap(tensorMetadata),
  };
}

/** None for a tensor whose type the protocol does not have. */
function tensorMetadata({ name, dtype = "FP32", shape = [-1] }: NamedTensorInfo) {
  return isDatatype(dtype) ? [{ name, datatype: dtype, shape }] : [];
}

/** Whether a version can be scored; any of a model whose replicas do not list them. */
export function hasVersion({ version }: ModelSpec, { versions }: ModelDescription): boolean {
  return version === undefined || versions.length === 0 || versions.includes(version);
}

/** Versions as the protocol has them; none of a model without versions. */
export function versionTexts({ versions }: Pick<ModelDescription, "versions">): readonly string[] {
  return versions.filter((version) => version > 0n).map(String);
}
