import type { Dialect } from "@tensorgate/core";
import { azureFpga, azureFpgaPreview } from "./azure-fpga.ts";
import type { ServerDialect } from "./dialect.ts";
import { openInference } from "./open-inference.ts";
import type { PredictDialect } from "./predict.ts";
import { tensorflowServing } from "./tensorflow-serving.ts";

export { tensorgatePeer } from "./tensorgate-peer.ts";

const table: Readonly<Record<Dialect, PredictDialect>> = {
  "tensorflow-serving": tensorflowServing,
  "azure-fpga": azureFpga,
  "azure-fpga-preview": azureFpgaPreview,
  "open-inference": openInference,
};

/** Returns a dialect by its name in the configuration; that of stock servers by default. */
export function dialectNamed(name: Dialect = "tensorflow-serving"): PredictDialect {
  return table[name];
}

/** Returns the names of the dialects with a property. */
export function dialectsWith(has: (dialect: ServerDialect) => boolean): readonly Dialect[] {
  return Object.values(table)
    .filter(has)
    .map(({ name }) => name);
}
