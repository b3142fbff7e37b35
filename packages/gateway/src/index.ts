export { ConfigError, type ConfigFault } from "./config/config-error.ts";
export type { GatewayOptions, PoolOptions } from "./config/gateway-options.ts";
export { configJsonSchema, parseConfig } from "./config/parse-config.ts";
export { createGateway, type Gateway, type GatewayParts } from "./gateway.ts";
export type { ConsoleFile, ConsoleFiles } from "./inbound/console-rest.ts";
export type { ModelOptions } from "./models/options.ts";
export { systemClockAndRandom } from "./system-clock.ts";
export { version } from "./version.ts";
