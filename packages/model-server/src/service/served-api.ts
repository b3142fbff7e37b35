import type { ServingDialect } from "@tensorgate/core";
import type { ModelHost } from "../hosting/model-host.ts";
import { ModelFolderError } from "../manifest.ts";
import type { Servable } from "../servable.ts";
import { type FpgaDialect, fpgaMethod } from "./fpga-service.ts";
import { servingMethods } from "./grpc-service.ts";
import type { LoadedModels } from "./loaded-models.ts";
import type { Reloading } from "./reload-service.ts";
import type { UnaryMethod } from "./unary-method.ts";

/** The models, as its methods see them. */
interface Served {
  readonly models: ModelHost;
  readonly served: LoadedModels;
  readonly reloading: Reloading;
}

/** What the server answers in a dialect. */
interface ServedApi {
  readonly methods: (served: Served) => readonly UnaryMethod[];
  readonly hasRest: boolean;
}

/** A container on an FPGA has one method, and no REST API. */
function containerApi(dialect: FpgaDialect): ServedApi {
  return {
    methods: ({ models }) => [fpgaMethod(onlyLoadedModel(models), dialect)],
    hasRest: false,
  };
}

/** The API of each dialect. */
export const servedApis: Readonly<Record<ServingDialect, ServedApi>> = {
  "tensorflow-serving": {
    methods: ({ served, reloading }) => servingMethods(served, reloading),
    hasRest: true,
  },
  "azure-fpga": containerApi("azure-fpga"),
  "azure-fpga-preview": containerApi("azure-fpga-preview"),
};

/**
 * Returns the one model of a container.
 *
 * @throws ModelFolderError unless exactly one is loaded
 */
function onlyLoadedModel(models: ModelHost): Servable {
  const names = models.available().map(({ name }) => name);
  const only = models.get(names[0] ?? "");
  if (only && names.length === 1) return only;
  throw new ModelFolderError(
    `an FPGA container holds exactly one model, not ${names.join(", ") || "none"}; set one`,
  );
}
