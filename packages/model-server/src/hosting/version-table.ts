import type { Loadable } from "./loadable.ts";
import type { VersionOrigin } from "./reload-plan.ts";
import { afterEvent, type VersionEvent, type VersionState } from "./version-state.ts";

/** One version from when it was wanted to its end. */
export interface Life {
  readonly loadable: Loadable;
  readonly state: VersionState;
}

/** What `GetModelStatus` tells of one version. */
export interface VersionStatus {
  readonly version: bigint;
  readonly state: VersionState;
}

/** Every version that is there or was. */
export interface VersionTable {
  /** A new life in state start, in the place of one that ended. */
  begin(loadable: Loadable): Life;
  change(life: Life, what: VersionEvent): void;
  /** The life of a version that has not ended. */
  living(version: VersionOrigin): Life | undefined;
  /** Those that can be scored. */
  available(): readonly Life[];
  /** Highest version first, ended ones too. */
  statuses(name: string): readonly VersionStatus[];
  all(): readonly Life[];
}

/** Ended versions that are remembered. Whoever may reload may make up names, and memory is not endless. */
const maxEnded = 100;

export function versionTable(): VersionTable {
  let lives: readonly { readonly loadable: Loadable; state: VersionState }[] = [];
  const hasEnded = (life: Life) => life.state.state === "end";
  const isOf = ({ loadable }: Life, { name, version }: VersionOrigin) =>
    loadable.name === name && loadable.version === version;

  return {
    begin: (loadable) => {
      const life: (typeof lives)[number] = { loadable, state: { state: "start" } };
      const others = lives.filter((each) => !(isOf(each, loadable) && hasEnded(each)));
      const forgotten = new Set(others.filter(hasEnded).slice(0, -maxEnded));
      lives = [...others.filter((each) => !forgotten.has(each)), life];
      return life;
    },
    change: (changed, what) => {
      const life = lives.find((each) => each === changed);
      if (life) life.state = afterEvent(life.state, what);
    },
    living: (version) => lives.find((life) => isOf(life, version) && !hasEnded(life)),
    available: () => lives.filter(({ state }) => state.state === "available"),
    statuses: (name) =>
      lives
        .filter(({ loadable }) => loadable.name === name)
        .map(({ loadable: { version }, state }) => ({ version, state }))
        .toSorted((a, b) => (a.version > b.version ? -1 : 1)),
    all: () => lives,
  };
}
