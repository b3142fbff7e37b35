import { create } from "@bufbuild/protobuf";
import {
  type RepositoryIndexResponse,
  RepositoryIndexResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import type { LoadedModels } from "./loaded-models.ts";

/**
 * Lists the versions that can be scored. TensorFlow Serving has no list of its models; this is the one of the Open
 * Inference Protocol.
 */
export function repositoryIndex(models: Pick<LoadedModels, "available">): RepositoryIndexResponse {
  const ready = models.available().map(({ name, version }) => ({
    name,
    version: version.toString(),
    state: "READY",
  }));
  return create(RepositoryIndexResponseSchema, { models: ready });
}
