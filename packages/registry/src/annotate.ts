import { assertTagKey } from "./names.ts";
import type { Tags } from "./records.ts";

/** Changes of a description and tags. */
export interface Annotations {
  readonly description?: string;
  /** A tag that is undefined is removed; others that are not named stay. */
  readonly tags?: Readonly<Record<string, string | undefined>>;
}

/** Applies changes to a description and tags. @throws RegistryError `invalid` for a key that cannot be used */
export function annotated<Record extends { readonly description: string; readonly tags: Tags }>(
  record: Record,
  { description = record.description, tags = {} }: Annotations,
): Record {
  for (const key of Object.keys(tags)) assertTagKey(key);
  const entries = Object.entries({ ...record.tags, ...tags });
  const kept = entries.filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...record, description, tags: Object.fromEntries(kept.toSorted(byKey)) };
}

const byKey = ([a]: readonly [string, string], [b]: readonly [string, string]) => (a < b ? -1 : 1);
