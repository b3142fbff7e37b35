import {
  type AskModel,
  type Clock,
  cutText,
  defaultSignatureName,
  InvalidRequestError,
  listedNames,
  type ModelMetadata,
  type ModelTasks,
  meantName,
  NotSupportedError,
  type ScoreResolved,
  type Tasks,
  withinRegions,
} from "@tensorgate/core";
import { nodeLabelOf } from "../node-region.ts";
import { createModelCatalog, type RuntimeModelInfo } from "./catalog.ts";
import { createClassifier } from "./classify.ts";
import { describedSignature } from "./described-signature.ts";
import { createDetector } from "./detect.ts";
import { createEmbedder } from "./embed.ts";
import { createBackboneCheck } from "./heads/assert-backbone.ts";
import { headMetadata, headModelStatus, headRuntimeInfo } from "./heads/described-head.ts";
import { createHeadScorer } from "./heads/score-heads.ts";
import { tasksWithVersions } from "./name-version.ts";
import type { Pictures } from "./pictures.ts";
import type { Release } from "./release.ts";
import { createContainerScorer } from "./score-as-container.ts";
import type { PictureTaskDeps } from "./score-pictures.ts";
import { createTensorScorer, pictureInputNames } from "./score-tensors.ts";
import {
  type AssertCapacity,
  createCapacityCheck,
  createModelResolver,
  type Snapshot,
} from "./snapshot.ts";

/** `modelStatus` and `modelMetadata` ask a replica within the regions of the call. */
export interface ModelsDeps extends Pick<Tasks, "modelStatus" | "modelMetadata"> {
  readonly pictures: Pick<Pictures, "prepare" | "options">;
  readonly score: ScoreResolved;
  /** Rejects a call that has not come in yet and for which there is no room. @throws OverloadedError */
  readonly assertCapacity: AssertCapacity;
  /** The same as `score` behind the response cache. */
  readonly cachedScore: ScoreResolved;
  /** Returns what the replicas of some regions, or of all, reported of a model. */
  readonly reported: (
    model: string,
    residency?: readonly string[],
  ) => Omit<RuntimeModelInfo, "regions">;
  /** Regions where a model is configured. */
  readonly regionsOf: (model: string) => readonly string[];
  readonly clock: Clock;
}

/** Turns pictures into tensors, and scores into labels, boxes or features, by the releases of a snapshot. */
export interface Models {
  /** Creates the tasks of the models of a snapshot. No call leaves the regions of its model. */
  tasksOf(snapshot: Snapshot): Tasks;
}

export function createModels(deps: ModelsDeps): Models {
  const { modelStatus, modelMetadata, clock } = deps;
  const { prepare, options } = deps.pictures;
  const ownTasks = (snapshot: Snapshot): Tasks => {
    const { resolve, has, all, regions, modelOfService, versionsOf } = snapshot;
    const metadataOf =
      (release: Release): AskModel<ModelMetadata> =>
      async (modelSpec, call) => {
        if (release.head) return headMetadata(release);
        try {
          return await modelMetadata(modelSpec, withinRegions(call, release.residency));
        } catch (thrown) {
          const signature = describedSignature(release);
          if (!(thrown instanceof NotSupportedError && signature)) throw thrown;
          const name = release.signatureName ?? defaultSignatureName;
          const model = { name: release.name, version: 0n };
          return { model, signatures: new Map([[name, signature]]) };
        }
      };
    // Calls pass the cache only where a model of the configuration uses it.
    const routed = all().some(({ isCached }) => isCached) ? deps.cachedScore : deps.score;
    // And heads only where there are any.
    const score = all().some(({ head }) => head)
      ? createHeadScorer({
          score: routed,
          assertBackbone: createBackboneCheck({ score: routed, prepare }),
        })
      : routed;
    const pictures: PictureTaskDeps = { score, prepare, options };
    const offeredBy = (release: Release): ModelTasks => {
      const { name, residency } = release;
      const metadata = metadataOf(release);
      const scoreTensors = createTensorScorer(release, pictures);
      return {
        classify: createClassifier(release, pictures, clock),
        detect: createDetector(release, pictures, clock),
        embed: createEmbedder(release, pictures),
        score: scoreTensors,
        scoreAsContainer: createContainerScorer(release, {
          score: scoreTensors,
          signatures: () => deps.reported(name, residency).signatures,
        }),
        pictureInputs: (modelSpec) => pictureInputNames(release, modelSpec),
        assertCapacity: createCapacityCheck(release, deps.assertCapacity),
        signatures: async (modelSpec, call) => {
          if (release.head) return (await metadata(modelSpec, call)).signatures;
          const { versions, signatures } = deps.reported(name, residency);
          const isOfLatest =
            modelSpec.versionLabel === undefined &&
            (modelSpec.version === undefined || String(versions) === String(modelSpec.version));
          if (signatures && isOfLatest) return signatures;
          return (await metadata(modelSpec, call)).signatures;
        },
      };
    };
    return {
      resolve: createModelResolver(snapshot, offeredBy),
      assertRegion: (region, { hints: { residency, isForwarded } }) => {
        // Another gateway knows regions that this one has no pools in.
        if (isForwarded || regions.includes(region)) return;
        // The regions of nodes are known by the replicas only.
        const live = new Set(all().flatMap(({ name }) => deps.regionsOf(name)));
        if (live.has(region)) return;
        const known = [...new Set([...regions, ...live])]
          .filter((name) => nodeLabelOf(name) === undefined)
          .filter((name) => residency?.includes(name) ?? true);
        const meant = meantName(region, known);
        throw new InvalidRequestError(`unknown region "${cutText(region, 80)}"`, {
          field: "region",
          hint: meant === undefined ? `regions: ${listedNames(known)}` : `did you mean "${meant}"?`,
        });
      },
      modelStatus: async (modelSpec, call) => {
        const { residency, head } = resolve(modelSpec);
        const own = head && versionsOf(modelSpec.name);
        if (own) return headModelStatus(own, modelSpec);
        return modelStatus(modelSpec, withinRegions(call, residency));
      },
      modelMetadata: async (modelSpec, call) => metadataOf(resolve(modelSpec))(modelSpec, call),
      modelOfService,
      catalog: createModelCatalog({ has, resolve, all }, (name, residency) => {
        const own = versionsOf(name);
        if (own) return headRuntimeInfo(own, deps.regionsOf);
        return { ...deps.reported(name, residency), regions: deps.regionsOf(name) };
      }),
    };
  };

  return {
    tasksOf: (snapshot) => {
      const { all, hasDifferingVersions } = snapshot;
      const versionsOf = (name: string) => deps.reported(name).versions;
      const own = ownTasks(snapshot);
      // Calls pass the choice of a version only where one is needed.
      return all().some(({ name }) => hasDifferingVersions(name))
        ? tasksWithVersions(own, { hasDifferingVersions, versionsOf })
        : own;
    },
  };
}
