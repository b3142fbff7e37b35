import type { ModelServer, ModelSource } from "@tensorgate/model-server";
import type { Dialect, FamilyName } from "@tensorgate/tf-serving";
import { CommandError, explainedListenError } from "../command-error.ts";
import { importModelServer } from "../import-model-server.ts";
import { progressLine } from "../progress-line.ts";
import { openLog } from "../telemetry/log.ts";
import { untilStopped } from "../until-stopped.ts";

export interface ModelServerCommandOptions {
  readonly host: string;
  readonly port: number;
  readonly threads: number;
  readonly roundTrip: number;
  readonly models?: string;
  readonly model_name?: string;
  readonly model_base_path?: string;
  readonly family?: readonly FamilyName[];
  readonly cache?: string;
  readonly dialect: Dialect;
}

/** What a model server that runs as a child tells its parent. */
export interface ListeningMessage {
  readonly type: "listening";
  readonly port: number;
}

/** Runs a model server until it is stopped, or until the parent that started it goes away. */
export async function runModelServer(options: ModelServerCommandOptions): Promise<void> {
  const stopped = Promise.race([untilStopped(), untilDisconnected()]);
  const { startModelServer, bundledModelsDirectory } = await importModelServer();
  const { host, port, threads, dialect, roundTrip: roundTripMs } = options;
  const log = openLog();
  let server: ModelServer;
  try {
    server = await startModelServer({
      host,
      port,
      threads: Math.max(1, threads),
      ...{ dialect, roundTripMs },
      models: sourcesFrom(options, bundledModelsDirectory),
      onProgress: (progress) => log.note(progressLine(progress)),
      onLoaded: ({ name, version }) => {
        if (!process.connected) log.note(`loaded ${name}, version ${version}`);
      },
    });
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === "ModelFolderError") {
      throw new CommandError(thrown.message);
    }
    if (thrown instanceof Error && /EADDRINUSE|No address added/.test(thrown.message)) {
      throw explainedListenError(Object.assign(thrown, { code: "EADDRINUSE" }), { host, port });
    }
    throw thrown;
  }
  const message: ListeningMessage = { type: "listening", port: server.port };
  if (process.connected) process.send?.(message);
  else process.stdout.write(`ready: gRPC at ${host}:${server.port}\n`);
  await stopped;
  await server.close();
  if (process.connected) process.disconnect();
}

function sourcesFrom(
  {
    models,
    model_name: name,
    model_base_path: basePath,
    family: families,
    cache,
  }: ModelServerCommandOptions,
  bundled: string,
): readonly ModelSource[] {
  if (models !== undefined && basePath !== undefined) {
    throw new CommandError("give --models or --model_base_path, not both");
  }
  const made = families ? [{ families, ...(cache !== undefined && { cacheFolder: cache }) }] : [];
  if (basePath !== undefined) return [{ name: name ?? "default", basePath }, ...made];
  if (models !== undefined || !families) return [{ directory: models ?? bundled }, ...made];
  return made;
}

/** A parent that dies, or says so, takes its children along. */
function untilDisconnected(): Promise<void> {
  if (!process.connected) return new Promise(() => {});
  return new Promise((resolve) => {
    process.once("disconnect", () => resolve());
    process.on("message", (message) => {
      if (message === "stop") resolve();
    });
  });
}
