import { meantName } from "@tensorgate/core";

/** Longest path, in characters, for which a route is looked for that was meant: callers choose it. */
const maxChars = 200;

/**
 * Returns the path that was probably meant, with the caller's own names in it; undefined if no route is like it.
 *
 * @param patterns - paths of the routes, as OpenAPI writes them
 */
export function meantPath(path: string, patterns: readonly string[]): string | undefined {
  if (path.length > maxChars) return undefined;
  const segments = path.split("/");
  const candidates = patterns.flatMap((pattern) => {
    const ofPattern = pattern.split("/");
    if (ofPattern.length !== segments.length) return [];
    const filled = ofPattern.map((each, at) =>
      each.startsWith("{") ? (segments[at] ?? "") : each,
    );
    // Each segment by itself: the caller's own names are as long as they are, and not misspelt.
    const isLike = filled.every((each, at) => each === meantName(segments[at] ?? "", [each]));
    return isLike ? [filled.join("/")] : [];
  });
  const meant = meantName(path, [...new Set(candidates)]);
  return meant === path ? undefined : meant;
}
