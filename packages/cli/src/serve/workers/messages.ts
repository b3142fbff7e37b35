import type { GatewayStatus } from "@tensorgate/core";
import type { GatewayOptions } from "@tensorgate/gateway";

/** What the first process tells a worker. */
export type WorkerCommand =
  /** The configuration in force, with the flags of the command: when a worker starts, and with each reload. */
  | { readonly type: "configuration"; readonly options: GatewayOptions }
  /** How the other workers are doing. */
  | { readonly type: "others"; readonly statuses: readonly GatewayStatus[] }
  | { readonly type: "stop"; readonly signal: NodeJS.Signals };

/** What a worker tells: that it listens, and where its own admin port is. */
export interface WorkerReport {
  readonly url: string;
  readonly port: number;
  readonly adminUrl: string;
}

/** Environment variable with the place of a worker among the others, as `2/4`. */
export const placeVariable = "TENSORGATE_WORKER";
/** Environment variable with the port of all, once it is known. */
export const portVariable = "TENSORGATE_WORKER_PORT";

/** Environment variables with what workers need to share slots: an address of each, and a secret of all. */
export const sharingVariables = {
  address: "TENSORGATE_WORKER_ADDRESS",
  secret: "TENSORGATE_WORKER_SECRET",
} as const;

/** Environment variable with the folder of what the workers have in common. */
export const folderVariable = "TENSORGATE_WORKER_FOLDER";
