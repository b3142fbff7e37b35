import { listedNames, meantName } from "@tensorgate/core";
import { nodeLabelOf } from "../node-region.ts";

/** A fault, and where the setting stands. */
export interface PathFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A setting with a name in it. */
interface NamedSetting {
  readonly name: string;
  readonly path: readonly PropertyKey[];
}

/** Stands for every model in a key. */
const anyModel = "*";

/** The settings that name others. */
function sectionsOf(root: unknown) {
  const models = entriesOf(root, "models");
  const pools = entriesOf(root, "pools");
  const keys = entriesOf(root, "keys");
  const poolModels = pools.flatMap((pool) => nameAt(pool, "model"));
  const modelNames = models.flatMap((model) => nameAt(model, "name"));
  const areModelsListed = memberOf(root, "models") !== undefined;
  return {
    models,
    pools,
    keys,
    poolModels: areModelsListed ? poolModels : [],
    modelNames,
    /** Models that can be scored. */
    known: namesOf(areModelsListed ? modelNames : poolModels),
    /** Regions with a pool. */
    regions: namesOf(pools.flatMap((pool) => nameAt(pool, "region"))),
    /** Whether the regions of replicas are those of their nodes, so that the configuration does not have them. */
    hasNodeRegions: pools
      .flatMap((pool) => nameAt(pool, "region"))
      .some(({ name }) => nodeLabelOf(name) !== undefined),
  };
}

/**
 * Finds names that occur twice, and models of pools that are not listed. Whatever has the wrong shape is passed over, so that
 * one run reports all faults.
 */
export function* referenceFaults(root: unknown): Iterable<PathFault> {
  const { keys, poolModels, modelNames, known } = sectionsOf(root);
  yield* repeated(modelNames);
  yield* repeated(keys.flatMap((key) => nameAt(key, "id")));
  for (const { path, name } of poolModels) {
    if (known.has(name)) continue;
    const hint = ` (to score it by tensors, add \`- name: ${name}\`)`;
    yield { path, message: unknownName("model", name, known) + hint };
  }
  yield* headReferences(root);
  const unnamed = nameAt({ value: memberOf(root, "listen"), path: ["listen"] }, "model");
  for (const { path, name } of unnamed) {
    if (!known.has(name)) yield { path, message: unknownName("model", name, known) };
  }
}

/** Finds heads on models that are not listed, and pools of heads, which the replicas of their backbones serve. */
function* headReferences(root: unknown): Iterable<PathFault> {
  const { models, pools, known } = sectionsOf(root);
  const heads = new Set<string>();
  for (const { value, path } of models) {
    const head = memberOf(value, "head");
    if (head === undefined) continue;
    for (const { name } of nameAt({ value, path }, "name")) heads.add(name);
    for (const of of nameAt({ value: head, path: [...path, "head"] }, "of")) {
      if (!known.has(of.name)) {
        yield { path: of.path, message: unknownName("model", of.name, known) };
      }
    }
  }
  for (const { path, name } of pools.flatMap((pool) => nameAt(pool, "model"))) {
    if (!heads.has(name)) continue;
    yield { path, message: `"${name}" is a head: the pools of its backbone serve it` };
  }
}

/**
 * Finds what a file should not have though a gateway could run with it: keys for models and residencies in regions that do not
 * exist, models that nothing serves, and residencies that leave no region.
 */
export function* looseEnds(root: unknown): Iterable<PathFault> {
  const { models, pools, keys, poolModels, known, regions, hasNodeRegions } = sectionsOf(root);
  for (const { path, name } of keys.flatMap((key) => namesAt(key, "models"))) {
    if (name === anyModel || known.has(name)) continue;
    yield { path, message: unknownName("model", name, known) };
  }
  for (const { path, name } of [...models, ...keys].flatMap((each) => namesAt(each, "residency"))) {
    if (hasNodeRegions || regions.has(name)) continue;
    yield { path, message: unknownName("region", name, regions) };
  }
  const own = memberOf(root, "region");
  const measured = new Set([...regions, ...(typeof own === "string" ? [own] : [])]);
  const roundTrips = memberOf(memberOf(root, "routing"), "roundTripsMs");
  for (const name of isRecord(roundTrips) ? Object.keys(roundTrips) : []) {
    if (hasNodeRegions || measured.has(name)) continue;
    const path = ["routing", "roundTripsMs", name];
    yield { path, message: unknownName("region", name, measured) };
  }
  // A name that is misspelt is one fault, not two.
  const areComplete = pools.length > 0 && poolModels.every(({ name }) => known.has(name));
  for (const model of models) {
    // The pools of its backbone serve it.
    if (memberOf(model.value, "head") !== undefined) continue;
    for (const { path, name } of nameAt(model, "name")) {
      const served = regionsOf(pools, (each) => each === name);
      if (areComplete && served.size === 0) {
        yield { path, message: `no pool serves model "${name}"; add one, or remove the model` };
      } else if (!hasNodeRegions) yield* emptyResidency(model, served, regions);
    }
  }
  for (const key of keys) {
    const names = namesOf(namesAt(key, "models"));
    const served = regionsOf(pools, (each) => names.has(anyModel) || names.has(each));
    if (served.size > 0 && !hasNodeRegions) yield* emptyResidency(key, served, regions);
  }
}

/** Regions with a pool of such a model. */
function regionsOf(
  pools: readonly Entry[],
  isWanted: (model: string) => boolean,
): ReadonlySet<string> {
  const wanted = pools.filter((pool) => nameAt(pool, "model").some(({ name }) => isWanted(name)));
  return namesOf(wanted.flatMap((pool) => nameAt(pool, "region")));
}

/** Finds a residency of known regions, none of which serves what it is for. */
function* emptyResidency(
  { value, path }: Entry,
  served: ReadonlySet<string>,
  regions: ReadonlySet<string>,
): Iterable<PathFault> {
  const names = [...namesOf(namesAt({ value, path }, "residency"))];
  const areKnown = names.length > 0 && names.every((name) => regions.has(name));
  if (!areKnown || names.some((name) => served.has(name))) return;
  yield {
    path: [...path, "residency"],
    message: `no call could be served: the pools are in ${listedNames(served)}`,
  };
}

function* repeated(names: readonly NamedSetting[]): Iterable<PathFault> {
  const seen = new Set<string>();
  for (const { path, name } of names) {
    if (seen.has(name)) yield { path, message: `"${name}" is listed twice` };
    seen.add(name);
  }
}

/** Names the nearest, or else all that there are. */
function unknownName(what: "model" | "region", name: string, known: ReadonlySet<string>): string {
  const names = [...known];
  const nearest = meantName(name, names);
  const unknown = what === "model" ? `unknown model "${name}"` : `no pool is in a region "${name}"`;
  const meant = nearest === undefined ? "" : `; did you mean "${nearest}"?`;
  return `${unknown}${meant || `; ${what}s: ${listedNames(names)}`}`;
}

interface Entry {
  readonly value: unknown;
  readonly path: readonly PropertyKey[];
}

function entriesOf(root: unknown, section: string): readonly Entry[] {
  const list = memberOf(root, section);
  return Array.isArray(list) ? list.map((value, index) => ({ value, path: [section, index] })) : [];
}

function nameAt({ value, path }: Entry, setting: string): readonly NamedSetting[] {
  const name = memberOf(value, setting);
  return typeof name === "string" ? [{ name, path: [...path, setting] }] : [];
}

function namesAt({ value, path }: Entry, setting: string): readonly NamedSetting[] {
  const list = memberOf(value, setting);
  if (!Array.isArray(list)) return [];
  return list.flatMap((name: unknown, index) =>
    typeof name === "string" ? [{ name, path: [...path, setting, index] }] : [],
  );
}

const namesOf = (settings: readonly NamedSetting[]): ReadonlySet<string> =>
  new Set(settings.map(({ name }) => name));

function memberOf(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
