/** Which of the versions on disk are served. */
export type VersionPolicy =
  /** The highest `count` versions. */
  | { readonly kind: "latest"; readonly count: number }
  | { readonly kind: "all" }
  /** Those of these versions that are there. */
  | { readonly kind: "specific"; readonly versions: readonly bigint[] };

/** The highest version only, as TensorFlow Serving does without a policy. */
export const newestVersion: VersionPolicy = { kind: "latest", count: 1 };

/**
 * Selects what a policy serves.
 *
 * @param found - versions of one model; of two with the same number the first one counts
 * @returns the highest version first
 */
export function selectVersions<Found extends { readonly version: bigint }>(
  found: readonly Found[],
  policy: VersionPolicy,
): readonly Found[] {
  const distinct = found.filter(
    ({ version }, index) => found.findIndex((each) => each.version === version) === index,
  );
  const highestFirst = distinct.toSorted((a, b) => (a.version > b.version ? -1 : 1));
  switch (policy.kind) {
    case "all":
      return highestFirst;
    case "latest":
      return highestFirst.slice(0, policy.count);
    case "specific":
      return highestFirst.filter(({ version }) => policy.versions.includes(version));
  }
}
