/** What a replica says of the versions of a model, as its last probe found it. */
export interface ReplicaVersions {
  /** Versions that it has; undefined where it does not list them, so that it may have any. */
  readonly listed: readonly bigint[] | undefined;
  /** Version that answers a request which names none; undefined where that is not known. */
  readonly latest: bigint | undefined;
}

/** Of a replica that was not heard of yet, or lists nothing. */
export const unknownVersions: ReplicaVersions = { listed: undefined, latest: undefined };

/** Which version a request asks for; neither means the latest. */
export interface VersionChoice {
  readonly version?: bigint | undefined;
  readonly versionLabel?: string | undefined;
}

/** Whether a replica may have what a request asks for. Which labels there are is known to the replicas alone. */
export function mayHave(
  { listed }: ReplicaVersions,
  { version, versionLabel }: VersionChoice,
): boolean {
  if (listed === undefined) return true;
  if (versionLabel !== undefined) return listed.length > 0;
  return version === undefined || listed.includes(version);
}

/**
 * The version that answers a request, whichever of these replicas it comes to.
 *
 * @param all - what each replica says that may get it
 * @returns undefined where that is not known, or differs between them
 */
export function commonVersion(
  all: readonly ReplicaVersions[],
  { version, versionLabel }: VersionChoice,
): bigint | undefined {
  if (versionLabel !== undefined) return undefined;
  const [first, ...others] = all.map(({ listed, latest }) => {
    if (version === undefined) return latest;
    return listed === undefined ? undefined : version;
  });
  return others.every((each) => each === first) ? first : undefined;
}

/** Every version that one of these replicas lists, highest first. */
export function listedVersions(all: readonly ReplicaVersions[]): readonly bigint[] {
  const versions = new Set(all.flatMap(({ listed = [] }) => listed));
  return [...versions].toSorted((a, b) => (a > b ? -1 : 1));
}
