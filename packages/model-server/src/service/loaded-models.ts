import type { ModelSpec } from "@tensorgate/core";
import { type ServingError, servingErrors } from "@tensorgate/tf-serving";
import type { VersionStatus } from "../hosting/version-table.ts";
import type { Servable } from "../servable.ts";

/** The models of a server. */
export interface LoadedModels {
  /** Returns a version of a model if it is available, or the newest available one. */
  get(name: string, version?: bigint): Servable | undefined;
  /** Returns the version that a label stands for. */
  labelledVersion(name: string, label: string): bigint | undefined;
  /** Returns the labels that stand for available versions of a model. */
  labelsOf(name: string): readonly string[];
  /** Returns the states of all versions of a model, ended ones too, highest first. */
  statuses(name: string): readonly VersionStatus[];
  /** Returns the versions that can be scored. */
  available(): readonly { readonly name: string; readonly version: bigint }[];
  /** The error for a model that is not available now; undefined for the usual NOT_FOUND. */
  unavailableError(name: string): ServingError | undefined;
}

/**
 * Finds the version that a call asks for.
 *
 * @throws ServingError with TensorFlow Serving's code and text if it is not available
 */
export function resolveServable(models: LoadedModels, spec: ModelSpec | undefined): Servable {
  if (!spec) throw servingErrors.missingModelSpec();
  const { name } = spec;
  if (name === "") throw servingErrors.missingModelName();
  const version = versionOf(models, spec);
  const found = models.get(name, version);
  if (found) return found;
  throw models.unavailableError(name) ?? servingErrors.servableNotFound(name, version);
}

function versionOf(models: LoadedModels, spec: ModelSpec): bigint | undefined {
  const { name, version, versionLabel } = spec;
  if (versionLabel === undefined) return version;
  const labelled = models.labelledVersion(name, versionLabel);
  if (labelled === undefined) {
    throw servingErrors.unknownVersionLabel(versionLabel, models.labelsOf(name));
  }
  return labelled;
}
