import { grpcCode } from "@tensorgate/grpc";
import type { Failure } from "./version-state.ts";

/** One version of a model, and where it comes from. */
export interface VersionOrigin {
  readonly name: string;
  readonly version: bigint;
  /** What tells two of the same name and version apart: the file that it is loaded from. */
  readonly origin: string;
}

/** What a reload does, in this order: refuse, unload, load one after the other. */
export interface ReloadPlan<Wanted extends VersionOrigin> {
  readonly refuse: readonly { readonly wanted: Wanted; readonly failure: Failure }[];
  /** Leaves before anything is loaded. */
  readonly unload: readonly VersionOrigin[];
  readonly load: readonly {
    readonly wanted: Wanted;
    /** Leaves as soon as `wanted` is there, and stays if it fails: a name is never without a model. */
    readonly replaces?: VersionOrigin;
  }[];
}

export interface ReloadParts<Wanted extends VersionOrigin> {
  readonly loaded: readonly VersionOrigin[];
  readonly wanted: readonly Wanted[];
  /** Names whose models stay as they are: what the list says of them could not be found. */
  readonly untouched: ReadonlySet<string>;
}

export type PlanReload = <Wanted extends VersionOrigin>(
  parts: ReloadParts<Wanted>,
) => ReloadPlan<Wanted>;

/** Memory has room for all: a new version is loaded before the old one leaves, as TensorFlow Serving does. */
export const planForMemory: PlanReload = ({ loaded, wanted, untouched }) => {
  const fresh = wanted.filter((each) => !loaded.some((old) => isSame(old, each)));
  const predecessorOf = (each: VersionOrigin) => loaded.find(({ name }) => name === each.name);
  // The same version from another place cannot be told from the old one while both are there.
  const clashes = (old: VersionOrigin) =>
    fresh.some(({ name, version }) => name === old.name && version === old.version);
  const isNamed = ({ name }: VersionOrigin) =>
    untouched.has(name) || wanted.some((each) => each.name === name);
  return {
    refuse: [],
    unload: loaded.filter((old) => !isNamed(old) || clashes(old)),
    load: fresh.map((each) => {
      const replaces = predecessorOf(each);
      return { wanted: each, ...(replaces && !clashes(replaces) && { replaces }) };
    }),
  };
};

/**
 * A device has room for one model. What it holds stays if the list names it, and then everything else is refused, a
 * new version of the same model too: it would have to be loaded before the old one leaves. Otherwise the first of
 * the list gets the device.
 */
export const planForDevice: PlanReload = ({ loaded, wanted, untouched }) => {
  const [held] = loaded;
  const stays =
    held !== undefined &&
    (untouched.has(held.name) || wanted.some(({ name }) => name === held.name));
  const winner = stays ? undefined : wanted[0];
  const holder = stays ? held : winner;
  const message = `the device holds one model at a time, and ${holder?.name} version ${holder?.version} has it`;
  return {
    refuse: wanted
      .filter((each) => each !== winner && !(held && isSame(held, each)))
      .map((each) => ({
        wanted: each,
        failure: { code: grpcCode.RESOURCE_EXHAUSTED, message },
      })),
    unload: held && !stays ? [held] : [],
    load: winner ? [{ wanted: winner }] : [],
  };
};

function isSame(one: VersionOrigin, other: VersionOrigin): boolean {
  return one.name === other.name && one.version === other.version && one.origin === other.origin;
}
