import { realpathSync, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { Clock } from "@tensorgate/core";

export interface ConfigWatchDeps {
  /** Told a moment after the file was written, replaced, or swapped behind a link. */
  readonly onChange: () => void;
  /** Told once that nothing will be noticed any more. */
  readonly onError: (error: Error) => void;
  readonly clock: Clock;
}

/** A file that is written comes as several changes, and may be half there at the first, in milliseconds. */
const settleMs = 200;

/** Watches the folders rather than the file: editors put another one in its place. */
export function watchConfig(file: string, parts: ConfigWatchDeps): Disposable {
  const { onChange, onError, clock } = parts;
  let timer: Disposable | undefined;
  const stop = new AbortController();
  const fail = (error: Error) => {
    if (stop.signal.aborted) return;
    stop.abort();
    onError(error);
  };
  try {
    // Where the name is, and where it leads to.
    const places = [resolve(file), realpathSync(file)];
    const names = new Set(places.map((place) => basename(place)));
    for (const folder of new Set(places.map((place) => dirname(place)))) {
      const watcher = watch(folder, { persistent: false, signal: stop.signal });
      watcher.on("error", fail);
      watcher.on("change", (_type, name) => {
        // What is mounted from a ConfigMap is a link through ..data, and that is what is exchanged.
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
