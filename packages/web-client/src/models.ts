import { type CallOptions, type ModelInfo, type WithMeta, withMeta } from "@tensorgate/client-core";
import { ScoringError } from "@tensorgate/core";
import type { Connection } from "./connection.ts";

/** Lists the models of the gateway. @throws ClientError */
export async function listModels(
  connection: Connection,
  options: CallOptions = {},
): Promise<WithMeta<readonly ModelInfo[]>> {
  const { message, meta } = await connection.call({
    method: "models.list",
    options,
    path: "/v1/catalog",
    read: (text) => {
      const { models } = JSON.parse(text) as { models?: readonly ModelInfo[] };
      if (!Array.isArray(models)) throw new RangeError("it has no models");
      return (models as readonly ModelInfo[]).map(checkedModel);
    },
  });
  return withMeta(message, meta);
}

/** Returns one model with its labels. @throws ClientError */
export async function getModel(
  connection: Connection,
  name: string,
  options: CallOptions = {},
): Promise<WithMeta<ModelInfo>> {
  const { message, meta } = await connection.call({
    method: "models.get",
    model: name,
    options,
    path: `/v1/catalog/${encodeURIComponent(name)}`,
    read: (text) => checkedModel(JSON.parse(text) as ModelInfo),
  });
  return withMeta(message, meta);
}

/** Returns whether the gateway is ready. @throws ClientError if it does not respond */
export async function health(
  connection: Connection,
  options: CallOptions = {},
): Promise<WithMeta<{ readonly isReady: boolean }>> {
  const { message, meta } = await connection.call({
    method: "health",
    options,
    path: "/readyz",
    takesStatus: (status) => status === 503,
    read: (_text, isOk) => ({ isReady: isOk }),
  });
  return withMeta(message, meta);
}

/** Size of a picture, or of a model's input, in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Size for a model whose catalog entry has none: enough for most models. */
const unknownSize: Size = { width: 512, height: 512 };

/** Returns the size that a model scales pictures to, from the catalog, or a default if the catalog is not available. */
export async function inputSizeOf(connection: Connection, name: string): Promise<Size> {
  const { knownModels } = connection;
  let model = knownModels.get(name);
  if (!model) {
    model = getModel(connection, name, { maxRetries: 0, timeoutMs: 2_000 }).catch((thrown) => {
      knownModels.delete(name);
      if (ScoringError.is(thrown)) return undefined;
      throw thrown;
    });
    knownModels.set(name, model);
  }
  const { width, height } = (await model)?.input ?? {};
  return width && height ? { width, height } : unknownSize;
}

/** @throws RangeError if it is not a model of a gateway */
function checkedModel(model: ModelInfo): ModelInfo {
  if (!Array.isArray(model.versions)) throw new RangeError("it has no versions");
  return model;
}
