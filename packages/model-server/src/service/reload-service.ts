import { create } from "@bufbuild/protobuf";
import { grpcCode } from "@tensorgate/grpc";
import {
  type ReloadConfigRequest,
  type ReloadConfigResponse,
  ReloadConfigResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/model_management";
import type { ModelConfig } from "@tensorgate/proto/tensorflow_serving/model_server_config";
import { ServingError } from "@tensorgate/tf-serving";
import type { WantedModel } from "../hosting/loadable.ts";
import type { Failure } from "../hosting/version-state.ts";

/** What a reload calls. */
export interface Reloading {
  /**
   * Resolves a name and a base path.
   * @throws ServingError if that base path is not allowed, or the name is unknown without one
   */
  wanted(name: string, basePath: string): WantedModel;
  /** @returns the first failure */
  reload(wanted: readonly WantedModel[]): Promise<Failure | undefined>;
}

/**
 * Responds when every model of the list is available or has failed. An invalid list fails the call and changes nothing;
 * a model that cannot be loaded is reported in the status of the response and in the state of its version.
 *
 * @throws ServingError for an invalid list
 */
export async function handleReload(
  { wanted, reload }: Reloading,
  { config }: ReloadConfigRequest,
): Promise<ReloadConfigResponse> {
  if (config?.config.case !== "modelConfigList") {
    throw invalid(
      "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported",
    );
  }
  const list = config.config.value.config;
  const names = list.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw invalid(`Illegal to list model ${twice} multiple times in config list`);
  }
  for (const each of list) assertSupported(each);
  const failure = await reload(list.map(({ name, basePath }) => wanted(name, basePath)));
  const { code: errorCode, message: errorMessage } = failure ?? { code: 0, message: "" };
  return create(ReloadConfigResponseSchema, { status: { errorCode, errorMessage } });
}

/** Platforms that a list may name: ours, and that of lists for TensorFlow Serving. */
const platforms: ReadonlySet<string> = new Set(["", "tensorflow", "onnx"]);

/** Rejects what this server does not support, rather than ignore it. */
function assertSupported({
  name,
  modelPlatform,
  modelVersionPolicy: policy,
  versionLabels,
}: ModelConfig): void {
  if (name === "") throw invalid("a model in the config list has no name");
  if (!platforms.has(modelPlatform)) {
    throw invalid(
      `model ${name}: unknown platform "${modelPlatform}"; expected tensorflow or onnx`,
    );
  }
  if (Object.keys(versionLabels).length > 0) {
    throw invalid(`model ${name}: version labels are not supported`);
  }
  const choice = policy?.policyChoice;
  const isNewest =
    choice?.case === undefined || (choice.case === "latest" && choice.value.numVersions <= 1);
  if (!isNewest) {
    throw invalid(
      `model ${name}: only the newest version of a model is served; use the policy latest with one version`,
    );
  }
}

function invalid(message: string): ServingError {
  return new ServingError(grpcCode.INVALID_ARGUMENT, message);
}
