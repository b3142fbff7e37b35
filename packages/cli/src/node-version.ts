/** Oldest Node on which the packages run, as `engines` of each of them has it. */
export const minNodeVersion = "22.18";

/**
 * Says what is wrong with a version of Node, if anything is.
 *
 * Imports nothing: it runs on every Node that reads ECMAScript modules with a top-level `await` (14.8).
 *
 * @param version - as in `process.versions.node`
 */
export function nodeVersionFault(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [minMajor = 0, minMinor = 0] = minNodeVersion.split(".").map(Number);
  if (major > minMajor || (major === minMajor && minor >= minMinor)) return undefined;
  return `needs Node ${minNodeVersion} or newer; this is ${major}.${minor}`;
}
