import { realpathSync, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { Clock } from "@tensorgate/core";
import type { Log } from "../telemetry/log.ts";
import type { ConfigReload } from "./config-reload.ts";

export interface ConfigWatchDeps {
  /** Called shortly after the file was written, replaced, or exchanged behind a link. */
  readonly onChange: () => void;
  /** Called once if watching fails; later changes are not noticed. */
  readonly onError: (error: Error) => void;
  readonly clock: Clock;
}

/** Wait after the last change event, in milliseconds: a write causes several, and the file may be incomplete at first. */
const settleMs = 200;

export interface ReloadOnChangeDeps {
  readonly reload: Pick<ConfigReload, "ifChanged">;
  readonly log: Pick<Log, "warn">;
  readonly clock: Clock;
}

/** Reloads a configuration when its file changes, and now if it has changed since it was read. */
export function reloadOnChange(
  file: string,
  { reload, log, clock }: ReloadOnChangeDeps,
): Disposable {
  const watching = watchConfig(file, {
    onChange: reload.ifChanged,
    onError: ({ message }) => {
      log.warn(`cannot watch ${file}: ${message}; send SIGHUP to reload it`);
    },
    clock,
  });
  reload.ifChanged();
  return watching;
}

/** Watches a configuration file by its folders, since editors replace the file. */
export function watchConfig(file: string, deps: ConfigWatchDeps): Disposable {
  const { onChange, onError, clock } = deps;
  let timer: Disposable | undefined;
  const stop = new AbortController();
  const fail = (error: Error) => {
    if (stop.signal.aborted) return;
    stop.abort();
    onError(error);
  };
  try {
    // The folder of the name, and that of the file behind a link.
    const paths = [resolve(file), realpathSync(file)];
    const names = new Set(paths.map((place) => basename(place)));
    for (const folder of new Set(paths.map((place) => dirname(place)))) {
      const watcher = watch(folder, { persistent: false, signal: stop.signal });
      watcher.on("error", fail);
      watcher.on("change", (_type, name) => {
        // A mounted ConfigMap exchanges the link ..data.
        const isOurs = name === null || names.has(String(name)) || String(name) === "..data";
        if (!isOurs || stop.signal.aborted) return;
        timer?.[Symbol.dispose]();
        timer = clock.setTimer(settleMs, onChange);
      });
    }
  } catch (thrown) {
    fail(thrown as Error);
  }
  return {
    [Symbol.dispose]: () => {
      stop.abort();
      timer?.[Symbol.dispose]();
    },
  };
}
