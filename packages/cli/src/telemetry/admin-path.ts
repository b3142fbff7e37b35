/**
 * Matches the path of a request with that of a route.
 *
 * @param path - of the route, such as `/swaps/:id`
 * @param url - of the request
 * @returns the segment for each name, decoded; undefined if the path does not match
 */
export function adminPath(path: string, url: string): readonly string[] | undefined {
  const wanted = path.split("/");
  const given = (url.split("?", 1)[0] ?? "").split("/");
  if (wanted.length !== given.length) return undefined;
  const segments: string[] = [];
  for (const [index, part] of wanted.entries()) {
    const segment = given[index] ?? "";
    if (!part.startsWith(":")) {
      if (part !== segment) return undefined;
      continue;
    }
    try {
      segments.push(decodeURIComponent(segment));
    } catch {
      return undefined;
    }
  }
  return segments;
}
