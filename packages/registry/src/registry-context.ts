import { createFileChanges, type FileChanges } from "./file-changes.ts";
import type { ModelRecord } from "./records.ts";

/** What the functions of a registry share. */
export interface RegistryContext {
  /** Absolute path of its folder. */
  readonly root: string;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly changes: FileChanges;
}

export type RegistryDeps = Omit<RegistryContext, "root">;

export const systemDeps: RegistryDeps = {
  nowMs: Date.now,
  changes: createFileChanges({ flushes: true }),
};

/** Returns the time as ISO 8601 in UTC. */
export function timeText({ nowMs }: Pick<RegistryContext, "nowMs">): string {
  return new Date(nowMs()).toISOString();
}

/** Returns the record of a model that has none yet. */
export function emptyRecord(context: Pick<RegistryContext, "nowMs">): ModelRecord {
  return {
    description: "",
    tags: {},
    createdAt: timeText(context),
    aliases: {},
    images: {},
    services: {},
    deleted: [],
  };
}
