/** Most names that a text lists, and most characters of each. */
const maxListed = 20;
const maxNameChars = 80;

/** Names for a text, however many and long a request or a reply has them. */
export function listedNames(names: Iterable<string>): string {
  const listed: string[] = [];
  let count = 0;
  for (const name of names) {
    count += 1;
    if (count <= maxListed) listed.push(cut(name));
  }
  if (count === 0) return "none";
  const restCount = count - listed.length;
  return restCount > 0 ? `${listed.join(", ")} and ${restCount} more` : listed.join(", ");
}

function cut(name: string): string {
  return name.length > maxNameChars ? `${name.slice(0, maxNameChars).toWellFormed()}…` : name;
}
