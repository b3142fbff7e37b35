import { readFileSync } from "node:fs";
import type { ModelServer, ServedModel } from "@tensorgate/model-server";
import { CommandError } from "../command-error.ts";
import type { Log } from "../telemetry/log.ts";

/**
 * Reads a file that a flag of TensorFlow Serving names.
 *
 * @throws CommandError that says what is wrong with it, and where
 */
export function readFlagFile<Value>(file: string, read: (text: string) => Value): Value {
  try {
    return read(readFileSync(file, "utf8"));
  } catch (thrown) {
    throw new CommandError(`${file}: ${(thrown as Error).message}`);
  }
}

export interface ModelConfigReloadDeps {
  /** Name of the file, for messages. */
  readonly file: string;
  /** Reads the file. @throws Error if it cannot be used */
  readonly read: () => readonly ServedModel[];
  readonly server: Pick<ModelServer, "reload">;
  /** The models that the server was started with. */
  readonly initial: readonly ServedModel[];
  readonly log: Pick<Log, "info" | "warn">;
}

/** Reloads a file of models; it never throws. */
export interface ModelConfigReload {
  /** Reloads, and logs the result; a file that cannot be used leaves the models as they are. */
  now(): Promise<void>;
  /** Reloads if the file says something else than the last time. */
  ifChanged(): Promise<void>;
}

export function createModelConfigReload({
  file,
  read,
  server,
  initial,
  log,
}: ModelConfigReloadDeps): ModelConfigReload {
  let current = textOf(initial);
  /** Message of the last rejected file. */
  let lastFault: string | undefined;

  async function reload(isForced: boolean): Promise<void> {
    try {
      const models = read();
      const text = textOf(models);
      if (!isForced && text === current && lastFault === undefined) return;
      const failures = await server.reload(models);
      current = text;
      lastFault = undefined;
      log.info(`models reloaded from ${file}: ${models.map(({ name }) => name).join(", ")}`);
      for (const failure of failures) log.warn(failure);
    } catch (thrown) {
      const message = (thrown as Error).message;
      if (!isForced && message === lastFault) return;
      lastFault = message;
      log.warn(`models of ${file} rejected, keeping the previous ones: ${message}`);
    }
  }

  return { now: () => reload(true), ifChanged: () => reload(false) };
}

/** Differs when lists do. */
function textOf(models: readonly ServedModel[]): string {
  return JSON.stringify(models, (_, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    return value instanceof Map ? [...value] : value;
  });
}
