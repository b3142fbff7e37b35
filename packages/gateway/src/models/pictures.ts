import type { Clock, ModelSpec, RunSmokeTest, ScoringError } from "@tensorgate/core";
import { createDecoderPool, type DecoderOptions, decoderDefaults } from "@tensorgate/imaging";
import { createGoldenChecks, type VerifiedReplica } from "./golden/golden-checks.ts";
import { type PictureOptions, pictureDefaults } from "./options.ts";
import { createPicturePreparer, type PreparePicture } from "./prepare-picture.ts";
import type { Release } from "./release.ts";
import { createSmokeTest } from "./smoke-test.ts";
import type { Snapshot } from "./snapshot.ts";

export interface PicturesDeps {
  readonly options: {
    readonly pictures?: PictureOptions | undefined;
    readonly decoding?: DecoderOptions | undefined;
  };
  /** Called when a decoder process does not start. */
  readonly onDecoderFailure: (error: ScoringError) => void;
  readonly clock: Clock;
}

/** Turns pictures into what models take, in its own processes, and tests replicas with pictures. */
export interface Pictures {
  readonly options: Required<PictureOptions>;
  readonly prepare: PreparePicture;
  /** Creates the smoke test of devices. */
  smokeTest(resolve: (modelSpec: ModelSpec) => Release): RunSmokeTest;
  /**
   * Returns why a replica must not get calls of a model yet; undefined if its golden pictures have their labels, or the
   * model has none.
   */
  golden(snapshot: Snapshot, replica: VerifiedReplica): string | undefined;
  /** Starts the first decoder if a model of the snapshot takes pixels. */
  warm(snapshot: Snapshot): void;
  /** Pictures queued for a decoder. */
  readonly decodeQueueLength: number;
  /** Process ids of the decoders. */
  readonly decoderIds: readonly number[];
  close(): Promise<void>;
}

export function createPictures(deps: PicturesDeps): Pictures {
  const { clock } = deps;
  const options = { ...pictureDefaults, ...deps.options.pictures };
  const decoders = createDecoderPool({
    options: { ...decoderDefaults, ...deps.options.decoding },
    clock,
    onStartFailure: deps.onDecoderFailure,
  });
  const prepare = createPicturePreparer({ ...decoders, options, clock });
  const verifyGolden = createGoldenChecks(clock);

  return {
    options,
    prepare,
    smokeTest: (resolve) => createSmokeTest({ resolve, prepare, options }, clock),
    golden: (snapshot, replica) => {
      if (!snapshot.has(replica.model)) return undefined;
      // A replica answers calls without a version by its latest, whose labels may be others than the model's.
      const latest = replica.versions.toSorted((a, b) => (a > b ? -1 : 1))[0];
      const resolve = (spec: ModelSpec) =>
        snapshot.resolve(latest === undefined ? spec : { ...spec, version: latest });
      const smokeTest = createSmokeTest({ resolve, prepare, options }, clock);
      return verifyGolden(resolve({ name: replica.model }).golden, replica, smokeTest);
    },
    warm: (snapshot) => {
      if (snapshot.all().some(({ picture }) => picture?.preprocessing)) decoders.warm();
    },
    get decodeQueueLength() {
      return decoders.waitingCount;
    },
    get decoderIds() {
      return decoders.processIds;
    },
    close: decoders.close,
  };
}
