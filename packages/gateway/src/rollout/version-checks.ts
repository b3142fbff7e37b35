import { listedNames, type ScoringError, type Tasks } from "@tensorgate/core";
import { RolloutRefusedError } from "./rollout-request.ts";

export interface VersionChecksDeps {
  readonly inForce: {
    readonly current: {
      readonly tasks: Pick<Tasks, "catalog">;
      /** Name of the model whose replicas serve a model. */
      readonly snapshot: { backboneOf(name: string): string };
    };
  };
  /** Counts the serving replicas of a model in all regions, and those of them that do not have a version. */
  readonly replicasWithout: (
    model: string,
    version: bigint,
  ) => { readonly count: number; readonly without: number };
}

/** Which versions of a model there are, and where. */
export interface VersionChecks {
  /** @throws RolloutRefusedError if the model is unknown */
  versionsOf(model: string): readonly string[];
  /** @throws RolloutRefusedError if the model or one of the versions is unknown */
  assertVersions(model: string, wanted: readonly string[]): readonly string[];
  /** Which serving replicas lack a version, in words; undefined if none does. Versions of a head are the gateway's own. */
  missingAt(model: string, version: string): string | undefined;
  /** @throws RolloutRefusedError if a serving replica lacks the version */
  assertLoaded(model: string, version: string): void;
}

export function createVersionChecks({
  inForce,
  replicasWithout,
}: VersionChecksDeps): VersionChecks {
  function versionsOf(model: string): readonly string[] {
    try {
      return inForce.current.tasks.catalog.get(model).versions.map(String);
    } catch (thrown) {
      const { message, hint } = thrown as ScoringError;
      throw new RolloutRefusedError(
        "unknown",
        hint === undefined ? message : `${message}; ${hint}`,
      );
    }
  }

  function missingAt(model: string, version: string): string | undefined {
    if (inForce.current.snapshot.backboneOf(model) !== model) return undefined;
    const { count, without } = replicasWithout(model, BigInt(version));
    if (without === 0) return undefined;
    return `${without} of ${count} replicas of ${model} ${without === 1 ? "lacks" : "lack"} version ${version}`;
  }

  return {
    versionsOf,
    missingAt,
    assertVersions: (model, wanted) => {
      const versions = versionsOf(model);
      const missing = wanted.find((version) => !versions.includes(version));
      if (missing === undefined) return versions;
      throw new RolloutRefusedError(
        "unknown",
        `no replica has version ${missing} of ${model}; versions: ${listedNames(versions)}`,
      );
    },
    assertLoaded: (model, version) => {
      const missing = missingAt(model, version);
      if (missing === undefined) return;
      throw new RolloutRefusedError("invalid", `${missing}; load it there first`);
    },
  };
}
