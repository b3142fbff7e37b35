import { isDeepStrictEqual } from "node:util";
import { type Clock, poll } from "@tensorgate/core";
import type { ModelOptions } from "@tensorgate/gateway";
import type { Log } from "../telemetry/log.ts";
import { createHeadReader, type RegistryHeads } from "./registry-heads.ts";

/** How often the registry is looked at, in milliseconds: a folder of another machine reports no changes. */
const intervalMs = 1_000;

export interface WatchHeadsDeps {
  /** Folder of the registry. */
  readonly directory: string;
  /** Returns the models of the configuration. */
  readonly configured: () => readonly ModelOptions[];
  readonly log: Pick<Log, "info" | "warn">;
  readonly clock: Clock;
}

/** Heads of a registry that are served, as they are now. */
export interface WatchedHeads extends Disposable {
  readonly models: readonly ModelOptions[];
  /** Begins to look for changes. */
  watch(onChange: () => void): void;
}

/** Reads the heads of a registry, and reads them again every second once it is watched. */
export async function watchHeads(deps: WatchHeadsDeps): Promise<WatchedHeads> {
  const { directory, configured, log, clock } = deps;
  const reader = createHeadReader(directory);
  const said = new Set<string>();
  let polling: Disposable | undefined;
  let models: readonly ModelOptions[] = [];

  async function refresh(): Promise<boolean> {
    let found: RegistryHeads;
    try {
      found = await reader.read(configured());
    } catch (thrown) {
      warn(`cannot read the registry ${directory}: ${(thrown as Error).message}`);
      return false;
    }
    for (const fault of found.faults) warn(fault);
    const hasChanged = !isDeepStrictEqual(models, found.models);
    models = found.models;
    return hasChanged;
  }

  /** Says each thing once. */
  function warn(text: string): void {
    if (said.has(text) || said.size > 1_000) return;
    said.add(text);
    log.warn(text);
  }

  await refresh();
  return {
    get models() {
      return models;
    },
    watch: (onChange) => {
      const task = async () => {
        if (await refresh()) onChange();
      };
      polling = poll(task, { intervalMs, clock });
    },
    [Symbol.dispose]: () => polling?.[Symbol.dispose](),
  };
}
