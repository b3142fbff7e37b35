import { createHash } from "node:crypto";
import { listedNames, SettingError, UnknownVersionError } from "@tensorgate/core";
import { type Head, parseHead } from "@tensorgate/teaching";
import type { Release } from "../release.ts";
import type { ModelOptions } from "../release-options.ts";

/** Name of the output of a head. */
export const headOutput = "probabilities";

/** The versions of a model that the gateway itself knows, each a release. */
export interface ReleaseVersions {
  /** Highest first. */
  readonly byVersion: ReadonlyMap<bigint, Release>;
  readonly aliases: ReadonlyMap<string, bigint>;
}

/**
 * Builds the releases of a head, one for each version.
 *
 * @throws SettingError for a head that cannot be read, or does not fit the backbone's description
 */
export function headReleases(
  options: ModelOptions,
  backbone: Release | undefined,
): ReleaseVersions {
  const { name, head: described } = options;
  if (!described) throw new RangeError(`${name} has no head`);
  const { of, versions, aliases = {} } = described;
  if (!backbone || backbone.head) {
    throw new SettingError(
      `models.${name}.head.of`,
      new Error(backbone ? `"${of}" is a head itself` : `unknown model "${of}"`),
    );
  }
  const { picture, features } = backbone;
  if (!picture || !features) {
    throw new SettingError(
      `models.${name}.head.of`,
      new Error(
        `model "${of}" ${picture ? "has no output with holds: features" : "takes no pictures"}; a head reads the features of pictures`,
      ),
    );
  }
  const releases = versions.map(({ version, document }): readonly [bigint, Release] => {
    const where = `models.${name}.head.versions ${version}`;
    return [
      BigInt(version),
      headRelease(options, { backbone, version, head: read(document, where) }),
    ];
  });
  releases.sort(([a], [b]) => (a < b ? 1 : -1));
  const byVersion = new Map(releases);
  const named = Object.entries(aliases).map(
    ([alias, version]) => [alias, BigInt(version)] as const,
  );
  for (const [alias, version] of named) {
    if (byVersion.has(version)) continue;
    throw new SettingError(
      `models.${name}.head.aliases.${alias}`,
      new Error(
        `version ${version} is not listed; versions: ${listedNames([...byVersion.keys()].map(String))}`,
      ),
    );
  }
  return { byVersion, aliases: new Map(named) };
}

function read(document: string, where: string): Head {
  try {
    return parseHead(document);
  } catch (thrown) {
    throw new SettingError(where, thrown);
  }
}

function headRelease(
  options: ModelOptions,
  {
    backbone,
    version,
    head,
  }: { readonly backbone: Release; readonly version: number | string; readonly head: Head },
): Release {
  const digest = createHash("sha256");
  for (const part of [backbone.revision, options.name, String(version), JSON.stringify(options)]) {
    digest.update(part).update("\0");
  }
  return {
    ...backbone,
    name: options.name,
    revision: digest.digest("base64"),
    signatureName: undefined,
    family: undefined,
    tasks: ["classify", "predict"],
    outputs: [
      { name: headOutput, holds: "probabilities", dtype: "FP32", shape: [-1, head.classes.length] },
    ],
    classScores: { tensor: headOutput, holds: "probabilities", filter: [] },
    features: undefined,
    golden: undefined,
    detector: undefined,
    labels: head.classes,
    classCount: head.classes.length,
    weights: "trained",
    // The features are cached, under the name of the backbone.
    isCached: false,
    head: { head, version: BigInt(version), backbone },
  };
}

/**
 * Returns the release of a version, by number or alias; the latest if the call names neither.
 *
 * @throws UnknownVersionError with those that there are
 */
export function chosenRelease(
  { byVersion, aliases }: ReleaseVersions,
  spec: { readonly name: string; readonly version?: bigint; readonly versionLabel?: string },
): Release {
  const { name, version, versionLabel } = spec;
  const wanted = versionLabel === undefined ? version : aliases.get(versionLabel);
  const [latest] = byVersion.values();
  const isOpen = version === undefined && versionLabel === undefined;
  const release = isOpen ? latest : wanted === undefined ? undefined : byVersion.get(wanted);
  if (release) return release;
  throw versionLabel === undefined
    ? new UnknownVersionError(`model "${name}" has no version ${version}`, {
        hint: `its versions: ${listedNames([...byVersion.keys()].map(String))}`,
      })
    : new UnknownVersionError(`model "${name}" has no version label "${versionLabel}"`, {
        hint: `its labels: ${listedNames(aliases.keys())}`,
      });
}
