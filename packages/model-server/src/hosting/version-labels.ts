import { servingErrors } from "@tensorgate/tf-serving";

/** Labels that a list gives to versions of a model, such as `stable`. */
export interface LabelledModel {
  readonly name: string;
  readonly labels: ReadonlyMap<string, bigint>;
}

/** The labels in force. */
export interface VersionLabels {
  get(name: string, label: string): bigint | undefined;
  /**
   * Puts the labels of a list in the place of all others.
   *
   * @throws ServingError FAILED_PRECONDITION for a label of a version that is not available, unless such labels are
   *   allowed and this one had no other version before; no label is changed then
   */
  replace(models: readonly LabelledModel[]): void;
}

export interface VersionLabelsDeps {
  readonly isAvailable: (name: string, version: bigint) => boolean;
  /** Whether a label may be given to a version before that is available. */
  readonly allowsUnavailable: boolean;
}

export function createVersionLabels({
  isAvailable,
  allowsUnavailable,
}: VersionLabelsDeps): VersionLabels {
  let inForce: ReadonlyMap<string, ReadonlyMap<string, bigint>> = new Map();

  const mayBeGiven = (name: string, label: string, version: bigint): boolean => {
    if (isAvailable(name, version)) return true;
    const before = inForce.get(name)?.get(label);
    return allowsUnavailable && (before === undefined || before === version);
  };

  return {
    get: (name, label) => inForce.get(name)?.get(label),
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
