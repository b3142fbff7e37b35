import { servingErrors } from "@tensorgate/tf-serving";

/** Labels that a list gives to versions of a model, such as `stable`. */
export interface LabelledModel {
  readonly name: string;
  readonly labels: ReadonlyMap<string, bigint>;
}

/** The labels in force. */
export interface VersionLabels {
  /** Labels of a list come before aliases. */
  get(name: string, label: string): bigint | undefined;
  /** Lists the labels of a model that stand for available versions. */
  of(name: string): readonly string[];
  /** Whether a label stands for a version now. */
  isLabelled(name: string, version: bigint): boolean;
  /**
   * Puts the labels of a list in place of all others.
   *
   * @throws ServingError FAILED_PRECONDITION for a label of a version that is not available, unless such labels are
   *   allowed and this one had no other version before; no label is changed then
   */
  replace(models: readonly LabelledModel[]): void;
  /**
   * Follows the aliases of a registry. One that moves to a version which is still to be loaded names the old version
   * until then; one of a version that is not served is no label.
   *
   * @param isWanted - whether a version is served, or will be
   */
  follow(models: readonly LabelledModel[], isWanted: IsVersion): void;
}

type IsVersion = (name: string, version: bigint) => boolean;

/** The version of an alias; `before` is the one that it named when that was not available yet. */
interface FollowedAlias {
  readonly version: bigint;
  readonly before: bigint | undefined;
}

export interface VersionLabelsDeps {
  readonly isAvailable: IsVersion;
  /** Whether a label may be given to a version before that is available. */
  readonly allowsUnavailable: boolean;
}

export function createVersionLabels({
  isAvailable,
  allowsUnavailable,
}: VersionLabelsDeps): VersionLabels {
  let inForce: ReadonlyMap<string, ReadonlyMap<string, bigint>> = new Map();
  let followed: ReadonlyMap<string, ReadonlyMap<string, FollowedAlias>> = new Map();

  const aliased = (name: string, label: string): bigint | undefined => {
    const { version, before } = followed.get(name)?.get(label) ?? {};
    return [version, before].find((each) => each !== undefined && isAvailable(name, each));
  };

  const mayBeGiven = (name: string, label: string, version: bigint): boolean => {
    if (isAvailable(name, version)) return true;
    const before = inForce.get(name)?.get(label);
    return allowsUnavailable && (before === undefined || before === version);
  };

  const get = (name: string, label: string) =>
    inForce.get(name)?.get(label) ?? aliased(name, label);

  const of = (name: string): readonly string[] => {
    const given = [inForce, followed].flatMap((labels) => [...(labels.get(name)?.keys() ?? [])]);
    return [...new Set(given)].filter((label) => {
      const version = get(name, label);
      return version !== undefined && isAvailable(name, version);
    });
  };

  return {
    get,
    of,
    isLabelled: (name, version) => of(name).some((label) => get(name, label) === version),
    follow: (models, isWanted) => {
      followed = new Map(
        models.map(({ name, labels }) => [
          name,
          new Map(
            [...labels]
              .filter(([, version]) => isWanted(name, version))
              .map(([label, version]) => [label, { version, before: aliased(name, label) }]),
          ),
        ]),
      );
    },
    replace: (models) => {
      for (const { name, labels } of models) {
        for (const [label, version] of labels) {
          if (!mayBeGiven(name, label, version)) {
            throw servingErrors.labelOfUnavailable({ model: name, version });
          }
        }
      }
      inForce = new Map(models.map(({ name, labels }) => [name, labels]));
    },
  };
}
