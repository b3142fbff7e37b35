import type { Dialect as DialectName } from "@tensorgate/core";
import { azureFpga, azureFpgaPreview } from "./azure-fpga.ts";
import type { Dialect } from "./dialect.ts";
import type { PredictDialect } from "./predict.ts";
import { tensorflowServing } from "./tensorflow-serving.ts";

export { tensorgatePeer } from "./tensorgate-peer.ts";

const table: Readonly<Record<DialectName, PredictDialect>> = {
  "tensorflow-serving": tensorflowServing,
  "azure-fpga": azureFpga,
  "azure-fpga-preview": azureFpgaPreview,
};

/** The dialect that the configuration names; that of stock servers where it names none. */
export function dialectNamed(name: DialectName = "tensorflow-serving"): PredictDialect {
  return table[name];
}

/** Names of the dialects with a property, for messages and for trying one after the other. */
export function dialectsWith(has: (dialect: Dialect) => boolean): readonly DialectName[] {
  return Object.values(table)
    .filter(has)
    .map(({ name }) => name);
}
