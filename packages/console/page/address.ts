/** What the address of the page keeps, so that a reload or a link shows the same. */
export interface PageAddress {
  readonly model?: string | undefined;
  readonly task?: string | undefined;
  /** Name of a sample picture. */
  readonly sample?: string | undefined;
}

const members = ["model", "task", "sample"] as const;

export function readAddress(): PageAddress {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(members.map((name) => [name, query.get(name) ?? undefined]));
}

/** Writes to the address; undefined removes a member. */
export function writeAddress(change: PageAddress): void {
  const query = new URLSearchParams(location.search);
  for (const name of members) {
    if (!(name in change)) continue;
    const value = change[name];
    if (value === undefined) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(null, "", `${location.pathname}${text && `?${text}`}${location.hash}`);
}
