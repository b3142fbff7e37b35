import { cutText } from "./cut-text.ts";

/** Most names that a text lists, and most characters of each. */
const maxListed = 20;
const maxNameChars = 80;

/** Names for a text, however many and long a request or a reply has them. */
export function listedNames(names: Iterable<string>): string {
  const listed: string[] = [];
  let count = 0;
  for (const name of names) {
    count += 1;
    if (count <= maxListed) listed.push(cutText(name, maxNameChars));
  }
  if (count === 0) return "none";
  const restCount = count - listed.length;
  return restCount > 0 ? `${listed.join(", ")} and ${restCount} more` : listed.join(", ");
}
