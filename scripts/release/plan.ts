/** What a release changes in the repository, as texts of files: pure, so that a dry run and a test see all of it. */

/** Files by their path from the root. */
export type Files = ReadonlyMap<string, string>;

const versionPattern = /^(\d+)\.(\d+)\.(\d+)(-[0-9a-z.-]+)?$/;

/** Heading of the changelog under which the next release is collected. */
const unreleased = "## Unreleased";

/**
 * Changes versions and changelog for a release. All packages share one version.
 *
 * @param files - manifests of the root and of each package, `CHANGELOG.md`, and the chart and example of Kubernetes
 * @param version - of the release, without `v`
 * @param date - of the release, as `2026-01-31`
 * @returns the files that change
 * @throws Error if the version is not a later one, or nothing is listed as unreleased
 */
export function planRelease(files: Files, version: string, date: string): Files {
  const manifests = [...files].filter(([path]) => path.endsWith("package.json"));
  const names = new Set(manifests.map(([, text]) => (JSON.parse(text) as Manifest).name));
  checkVersion(version, latestVersion(manifests.map(([, text]) => JSON.parse(text) as Manifest)));

  const changed = new Map<string, string>();
  for (const [path, text] of files) {
    const next = path.endsWith("package.json")
      ? withVersion(JSON.parse(text) as Manifest, version, names)
      : path === "CHANGELOG.md"
        ? releasedChangelog(text, version, date)
        : text.replace(/^(.*image: tensorgate:|version: |appVersion: )\S+$/gm, `$1${version}`);
    if (next !== text) changed.set(path, next);
  }
  return changed;
}

/**
 * Gives the changes since the last release the heading of this one.
 *
 * @throws Error if nothing is listed as unreleased
 */
export function releasedChangelog(text: string, version: string, date: string): string {
  if (!releaseNotes(text)) throw new Error(`CHANGELOG.md lists nothing under "${unreleased}"`);
  return text.replace(`${unreleased}\n`, `${unreleased}\n\n## ${version} (${date})\n`);
}

/** Returns what the changelog lists as unreleased. */
export function releaseNotes(changelog: string): string {
  const [, section = ""] = changelog.split(`${unreleased}\n`);
  return (section.split(/^## /m)[0] ?? "").trim();
}

interface Manifest {
  readonly name: string;
  readonly version?: string;
  readonly [section: string]: unknown;
}

const dependencySections = [
  "dependencies",
  "devDependencies",
  "optionalDependencies",
  "peerDependencies",
];

function withVersion(manifest: Manifest, version: string, ours: ReadonlySet<string>): string {
  const next = Object.entries(manifest).map(([key, value]) => {
    if (key === "version") return [key, version];
    if (!dependencySections.includes(key)) return [key, value];
    const ranges = Object.entries(value as Readonly<Record<string, string>>);
    return [
      key,
      Object.fromEntries(ranges.map(([name, r]) => [name, ours.has(name) ? version : r])),
    ];
  });
  return `${JSON.stringify(Object.fromEntries(next), null, 2)}\n`;
}

function latestVersion(manifests: readonly Manifest[]): string {
  const versions = new Set(manifests.flatMap(({ version }) => version ?? []));
  const [version = ""] = versions;
  if (versions.size !== 1) throw new Error(`packages have versions ${[...versions].join(", ")}`);
  return version;
}

function checkVersion(version: string, current: string): void {
  if (!versionPattern.test(version)) {
    throw new Error(`"${version}" is not a version such as 1.2.3 or 1.2.3-rc.1`);
  }
  if (compareVersions(version, current) < 0) {
    throw new Error(`${version} is older than the packages, which have ${current}`);
  }
}

/** Compares two versions as numbers; a pre-release comes before its release. */
function compareVersions(left: string, right: string): number {
  const [leftParts, rightParts] = [left, right].map((each) => versionPattern.exec(each) ?? []);
  for (const at of [1, 2, 3]) {
    const difference = Number(leftParts?.[at]) - Number(rightParts?.[at]);
    if (difference !== 0) return difference;
  }
  const [leftTag = "~", rightTag = "~"] = [leftParts?.[4], rightParts?.[4]];
  return leftTag < rightTag ? -1 : Number(leftTag > rightTag);
}
