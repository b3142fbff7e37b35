import type { ConnectRouter } from "@connectrpc/connect";
import type { ModelCatalog, ModelDescription, NamedTensorInfo } from "@tensorgate/core";
import { CatalogService } from "@tensorgate/proto/tensorgate/v1/catalog";
import { listFor, modelFor } from "../rest/catalog.ts";
import type { RunRpc } from "./rpc-call.ts";

/** `tensorgate.v1.CatalogService`. */
export function catalogRpc(router: ConnectRouter, catalog: ModelCatalog, run: RunRpc): void {
  router.service(CatalogService, {
    listModels: (request, context) =>
      run(request, context, async (call) => ({
        facts: {},
        answer: { models: listFor(call, catalog).map(modelMessage) },
      })),
    getModel: (request, context) =>
      run(request, context, async (call) => {
        const description = modelFor(call, catalog, request.name);
        return {
          facts: {},
          answer: { model: modelMessage(description), labels: [...description.labels] },
        };
      }),
  });
}

function modelMessage({ labels, input, outputs, ...rest }: ModelDescription) {
  return {
    ...rest,
    tasks: [...rest.tasks],
    versions: [...rest.versions],
    regions: [...rest.regions],
    labelCount: labels.length,
    input:
      input.kind === "picture"
        ? { ...input }
        : { kind: input.kind, tensors: input.tensors.map(infoMessage) },
    outputs: outputs.map((output) => ({ ...infoMessage(output), holds: output.holds })),
  };
}

function infoMessage({ name, dtype, shape }: NamedTensorInfo) {
  return { name, dtype: dtype ?? "", ...(shape && { shape: shape.map(BigInt) }) };
}
