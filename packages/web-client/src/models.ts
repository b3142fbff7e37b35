import { type CallOptions, type ModelInfo, type WithMeta, withMeta } from "@tensorgate/client-core";
import { ScoringError } from "@tensorgate/core";
import type { Connection } from "./connection.ts";

/** A model as `GET /v1/catalog` tells of it: versions are text there. */
interface ModelJson extends Omit<ModelInfo, "versions"> {
  readonly versions: readonly string[];
}

/** What the gateway can score. @throws ClientError */
export async function listModels(
  connection: Connection,
  options: CallOptions = {},
): Promise<WithMeta<readonly ModelInfo[]>> {
  const { message, meta } = await connection.call({
    method: "models.list",
    options,
    path: "/v1/catalog",
    read: (text) => {
      const { models } = JSON.parse(text) as { models?: readonly ModelJson[] };
      if (!Array.isArray(models)) throw new RangeError("there are no models in it");
      return (models as readonly ModelJson[]).map(modelInfo);
    },
  });
  return withMeta(message, meta);
}

/** What is known of one model, its labels too. @throws ClientError */
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
    read: (text) => modelInfo(JSON.parse(text) as ModelJson),
  });
  return withMeta(message, meta);
}

/** Whether the gateway may get calls. @throws ClientError if nobody answers */
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

/** A side in pixels, of a picture or of what a model makes of it. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What most models are content with, where the catalog does not tell. */
const unknownSize: Size = { width: 512, height: 512 };

/** What a model brings pictures to; asked of the catalog once. Whoever may not ask fits to a size that most take. */
export async function inputSizeOf(connection: Connection, name: string): Promise<Size> {
  const { knownModels } = connection;
  let asked = knownModels.get(name);
  if (!asked) {
    asked = getModel(connection, name, { maxRetries: 0, timeoutMs: 2_000 }).catch((thrown) => {
      knownModels.delete(name);
      if (ScoringError.is(thrown)) return undefined;
      throw thrown;
    });
    knownModels.set(name, asked);
  }
  const { width, height } = (await asked)?.input ?? {};
  return width && height ? { width, height } : unknownSize;
}

function modelInfo({ versions, ...model }: ModelJson): ModelInfo {
  if (!Array.isArray(versions)) throw new RangeError("it tells of no versions");
  return { ...model, versions: versions.map(BigInt) };
}
