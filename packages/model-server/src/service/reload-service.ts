import { create } from "@bufbuild/protobuf";
import {
  type ReloadConfigRequest,
  type ReloadConfigResponse,
  ReloadConfigResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/model_management";
import { servingErrors } from "@tensorgate/tf-serving";
import { type LoadFailure, reloadError } from "../hosting/load-failure.ts";
import type { WantedModel } from "../hosting/loadable.ts";
import type { ModelRegistry } from "../hosting/model-registry.ts";
import { type ServedModel, servedModelsFromConfig } from "../hosting/served-model.ts";

export interface ReloadingDeps {
  readonly wanted: ModelRegistry["wanted"];
  readonly reload: (models: readonly WantedModel[]) => Promise<readonly LoadFailure[]>;
  /**
   * Where failures to load are reported: TensorFlow Serving fails the call; a device answers, with the first failure in
   * the status of the response.
   */
  readonly failuresIn: "error" | "response";
}

/** What replaces the models of a server. */
export interface Reloading {
  /**
   * Serves a list in place of the last one. Returns when every model of the list is available or has failed.
   *
   * @param from - `caller` if any caller may have sent the list: only folders that are allowed may be named then
   * @returns the failures, in the order of the list
   * @throws ServingError for a list that cannot be right: nothing is changed then
   */
  reload(
    models: readonly ServedModel[],
    from: "caller" | "operator",
  ): Promise<readonly LoadFailure[]>;
  /** Answers the call of an API. @throws ServingError for an invalid list, and for failures if they are errors */
  handleRequest(request: ReloadConfigRequest): Promise<ReloadConfigResponse>;
}

/** @param listed - the list that the server starts with, as far as it has one */
export function createReloading(
  { wanted, reload, failuresIn }: ReloadingDeps,
  listed: readonly ServedModel[],
): Reloading {
  let platforms = platformsOf(listed);

  const reloadList: Reloading["reload"] = async (models, from) => {
    for (const { name, platform = "" } of models) {
      const before = platforms.get(name) ?? "";
      if (before !== "" && platform !== "" && before !== platform) {
        throw servingErrors.changedPlatform(name, before, platform);
      }
    }
    const resolved = models.map((model) => wanted(model, from));
    platforms = platformsOf(models);
    return reload(resolved);
  };

  return {
    reload: reloadList,
    handleRequest: async ({ config }) => {
      const failures = await reloadList(servedModelsFromConfig(config), "caller");
      if (failures.length > 0 && failuresIn === "error") throw reloadError(failures);
      const failure = failures[0]?.failure;
      const status = failure && { errorCode: failure.code, errorMessage: failure.message };
      return create(ReloadConfigResponseSchema, { status: status ?? {} });
    },
  };
}

function platformsOf(models: readonly ServedModel[]): ReadonlyMap<string, string> {
  return new Map(models.map(({ name, platform = "" }) => [name, platform]));
}
