import { type CallContext, FailedPreconditionError, type ScoreResolved } from "@tensorgate/core";
import { compareBackbone, referencePicture } from "@tensorgate/teaching";
import { valuesOfPicture } from "../output-values.ts";
import type { PreparePicture } from "../prepare-picture.ts";
import type { ReleaseHead } from "../release.ts";

/**
 * Checks that a version of a model is the backbone that a head was taught on.
 *
 * @param version - that gave the features; 0 if the replica does not say
 * @throws FailedPreconditionError if it is another one
 */
export type AssertBackbone = (
  own: ReleaseHead,
  version: bigint,
  call: CallContext,
) => Promise<void>;

export interface BackboneCheckDeps {
  readonly score: ScoreResolved;
  readonly prepare: PreparePicture;
}

/**
 * Creates the check of backbones: it scores the reference picture once for each version of a backbone, and compares its
 * features with those in the head. A name or a number would not do: a retrained model keeps both.
 */
export function createBackboneCheck({ score, prepare }: BackboneCheckDeps): AssertBackbone {
  /** By revision and version of the backbone. */
  const known = new Map<string, Promise<Float32Array>>();

  async function referenceFeatures(
    { backbone }: ReleaseHead,
    version: bigint,
    call: CallContext,
  ): Promise<Float32Array> {
    const { picture, features, name } = backbone;
    if (!picture || !features) throw new RangeError(`${name} has no features of pictures`);
    const prepared = await prepare(referencePicture(), picture, call);
    const { outputs } = await score(
      {
        modelSpec: { name, ...(version > 0n && { version }) },
        model: backbone,
        inputs: new Map([[picture.tensor, prepared.tensor]]),
        outputFilter: features.filter,
      },
      call,
    );
    const tensor = outputs.get(features.tensor);
    const named = tensor ? new Map([[features.tensor, tensor]]) : outputs;
    return valuesOfPicture(named, { name: features.tensor, what: "features" }).slice();
  }

  async function featuresOf(
    own: ReleaseHead,
    version: bigint,
    call: CallContext,
  ): Promise<Float32Array> {
    const key = `${own.backbone.revision} ${version}`;
    const found = known.get(key);
    if (!found) {
      const asked = referenceFeatures(own, version, call);
      known.set(key, asked);
      // A call that failed says nothing of the model: the next one asks again.
      asked.catch(() => known.delete(key));
      return asked;
    }
    try {
      return await found;
    } catch {
      // The call that asked may have ended: by its own deadline, or because its caller left.
      call.signal.throwIfAborted();
      return featuresOf(own, version, call);
    }
  }

  return async (own, version, call) => {
    const { backbone, head } = own;
    const { isSame, distance } = compareBackbone(
      head.backbone,
      await featuresOf(own, version, call),
    );
    if (isSame) return;
    const far = Number.isFinite(distance)
      ? `differ by ${(distance * 100).toFixed(0)} %`
      : "differ in number";
    throw new FailedPreconditionError(
      `the head was taught on "${head.backbone.model}" version ${head.backbone.version}, but "${backbone.name}" version ${version} is another model: the features of the reference picture ${far}`,
      { hint: "teach the head again on this version, or serve the version that it was taught on" },
    );
  };
}
