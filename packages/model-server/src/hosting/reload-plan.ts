import { grpcCode } from "@tensorgate/grpc";
import type { Failure } from "./version-state.ts";

/** One version of a model, and the file that it is loaded from. */
export interface VersionOrigin {
  readonly name: string;
  readonly version: bigint;
  /** The file: distinguishes two versions of the same name and number. */
  readonly origin: string;
}

/** The steps of a reload, in this order: reject, unload, load one after the other. */
export interface ReloadPlan<Wanted extends VersionOrigin> {
  readonly reject: readonly { readonly wanted: Wanted; readonly failure: Failure }[];
  /** Unloaded before anything is loaded. */
  readonly unload: readonly VersionOrigin[];
  readonly load: readonly {
    readonly wanted: Wanted;
    /** Unloaded when `wanted` is available, and kept if that fails: a name always has a model. */
    readonly replaces: readonly VersionOrigin[];
  }[];
}

export interface ReloadPlanOptions<Wanted extends VersionOrigin> {
  readonly loaded: readonly VersionOrigin[];
  readonly wanted: readonly Wanted[];
  /** Names whose models are kept, because what the list names could not be found. */
  readonly untouched: ReadonlySet<string>;
  /** Whether a label names a loaded version now. */
  readonly isLabelled?: (loaded: VersionOrigin) => boolean;
}

export type PlanReload = <Wanted extends VersionOrigin>(
  parts: ReloadPlanOptions<Wanted>,
) => ReloadPlan<Wanted>;

/**
 * Plans a reload in memory: of each model the highest new version is loaded first, and old ones are unloaded when one
 * that is wanted is available, as TensorFlow Serving's `AvailabilityPreservingPolicy` does. One that a label names stays
 * until all new ones of its model are available: the label may move to any of them.
 */
export const planForMemory: PlanReload = ({
  loaded,
  wanted,
  untouched,
  isLabelled = () => false,
}) => {
  const fresh = wanted.filter((each) => !loaded.some((old) => isSame(old, each)));
  const obsolete = loaded.filter(
    (old) => !untouched.has(old.name) && !wanted.some((each) => isSame(old, each)),
  );
  // While both are loaded, the same version from another place could not be distinguished from the old one.
  const clashes = (old: VersionOrigin) =>
    fresh.some(({ name, version }) => name === old.name && version === old.version);
  const hasSuccessor = (origin: VersionOrigin) => {
    const { name } = origin;
    const isServed = loaded.some(
      (old) => old.name === name && wanted.some((each) => isSame(old, each)),
    );
    const isNeeded = !isServed || isLabelled(origin);
    return isNeeded && fresh.some((each) => each.name === name);
  };
  const isLast = ({ name }: VersionOrigin, each: VersionOrigin) =>
    fresh.findLast((other) => other.name === name) === each;
  const mayStay = (old: VersionOrigin) => hasSuccessor(old) && !clashes(old);
  return {
    reject: [],
    unload: obsolete.filter((old) => !mayStay(old)),
    load: fresh.map((each) => ({
      wanted: each,
      replaces: obsolete.filter(
        (old) => old.name === each.name && mayStay(old) && (!isLabelled(old) || isLast(old, each)),
      ),
    })),
  };
};

/**
 * Plans a reload of a device, which holds one model. If the list names that model it stays, and everything else is
 * rejected, a new version of it too: that would have to be loaded before the old one is unloaded. Otherwise the first
 * model of the list is loaded.
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
    reject: wanted
      .filter((each) => each !== winner && !(held && isSame(held, each)))
      .map((each) => ({
        wanted: each,
        failure: { code: grpcCode.RESOURCE_EXHAUSTED, message },
      })),
    unload: held && !stays ? [held] : [],
    load: winner ? [{ wanted: winner, replaces: [] }] : [],
  };
};

function isSame(one: VersionOrigin, other: VersionOrigin): boolean {
  return one.name === other.name && one.version === other.version && one.origin === other.origin;
}
