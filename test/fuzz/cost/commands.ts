import type { GatewayOptions } from "@tensorgate/gateway";

/** What the process of the measured gateway can be asked. */
export interface CostCommands {
  readonly start: (options: GatewayOptions) => Promise<{ readonly port: number }>;
  readonly begin: (how: { readonly collectsGarbage: boolean }) => Promise<void>;
  readonly end: () => Promise<{ readonly cpuMs: number; readonly stallMs: number }>;
  readonly [name: string]: (argument: never) => unknown;
}
