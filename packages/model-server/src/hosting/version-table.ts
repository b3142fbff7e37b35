import type { Loadable } from "./loadable.ts";
import type { VersionOrigin } from "./reload-plan.ts";
import { afterEvent, type VersionEvent, type VersionState } from "./version-state.ts";

/** One version of a model from its request to its end. */
export interface ModelVersion {
  readonly loadable: Loadable;
  readonly state: VersionState;
}

/** One version as `GetModelStatus` reports it. */
export interface VersionStatus {
  readonly version: bigint;
  readonly state: VersionState;
}

/** The versions of all models with their states, ended ones too. */
export interface VersionTable {
  /** Adds a version in state start, in place of an ended one. */
  begin(loadable: Loadable): ModelVersion;
  change(version: ModelVersion, event: VersionEvent): void;
  /** Finds a version that has not ended. */
  active(origin: VersionOrigin): ModelVersion | undefined;
  /** Versions that can be scored. */
  available(): readonly ModelVersion[];
  /** The states of a model's versions, highest first, ended ones too. */
  statuses(name: string): readonly VersionStatus[];
}

/** Ended versions that are kept. A caller may reload any number of names, and memory is limited. */
const maxEnded = 100;

export function createVersionTable(): VersionTable {
  let versions: readonly { readonly loadable: Loadable; state: VersionState }[] = [];
  const hasEnded = (version: ModelVersion) => version.state.state === "end";
  const isOf = ({ loadable }: ModelVersion, { name, version }: VersionOrigin) =>
    loadable.name === name && loadable.version === version;

  return {
    begin: (loadable) => {
      const begun: (typeof versions)[number] = { loadable, state: { state: "start" } };
      const others = versions.filter((each) => !(isOf(each, loadable) && hasEnded(each)));
      const evicted = new Set(others.filter(hasEnded).slice(0, -maxEnded));
      versions = [...others.filter((each) => !evicted.has(each)), begun];
      return begun;
    },
    change: (changed, event) => {
      const version = versions.find((each) => each === changed);
      if (version) version.state = afterEvent(version.state, event);
    },
    active: (origin) => versions.find((each) => isOf(each, origin) && !hasEnded(each)),
    available: () => versions.filter(({ state }) => state.state === "available"),
    statuses: (name) =>
      versions
        .filter(({ loadable }) => loadable.name === name)
        .map(({ loadable: { version }, state }) => ({ version, state }))
        .toSorted((a, b) => (a.version > b.version ? -1 : 1)),
  };
}
